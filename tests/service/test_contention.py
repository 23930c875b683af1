"""How visitors of one server affect each other, over the real websocket."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import contention
from benchmarks.contention import Visitor
from genmodels.service import fair_queue
from tests.support.browser import Server, server_of

pytestmark = pytest.mark.slow


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    env = {"GENMODELS_RUNS": str(tmp_path / "runs"), "GENMODELS_PUBLIC": "1"}
    with server_of(env, tmp_path / "log") as found:
        yield found


@pytest.mark.alone
def test_a_slider_answers_while_others_render_gifs_and_speak(server: Server) -> None:
    """Four sessions with GIFs of more frames than the measurement lasts, twelve with speech."""
    found = contention.measure(server, pins=8, moves=25, idle_moves=1)
    assert contention.percentile(found.busy) < contention.TARGET_MS, found.busy
    assert found.idle_after < contention.IDLE_TARGET_S


def test_a_visitor_sees_the_place_in_line_and_the_limit_and_frees_the_server_by_leaving(server: Server) -> None:
    with Visitor(server.url) as visitor:
        visitor.open("latent", "model=faces_gan_cnn_gelu")
        for _ in range(fair_queue.PER_SESSION + 1):
            visitor.request_file("latent_gif")
        shown, refused = set(), 0
        for message in visitor.messages():
            kind = message.WhichOneof("type")
            if kind == "delta" and message.delta.new_element.WhichOneof("type") == "toast":
                shown.add(message.delta.new_element.toast.body)
            elif kind == "backend_operation_response" and message.backend_operation_response.error_msg:
                refused += 1
            waited = {text for text in shown if "in line" in text and "you are" in text.lower()}
            limited = {text for text in shown if f"{fair_queue.PER_SESSION} are allowed per visitor" in text}
            if refused and waited and limited:
                break
        assert refused == 1
        assert waited <= {"You are next in line.", *(f"You are number {place} in line." for place in (2, 3, 4))}
        assert not visitor.exceptions
    assert contention.seconds_until_idle(server, 60) < contention.IDLE_TARGET_S
