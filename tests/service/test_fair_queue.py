"""The fair queue of background work: order, limits, cancellation, and interactive requests that never wait for it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from genmodels import service
from genmodels.errors import GenmodelsError
from genmodels.sampling import samples_compiled
from genmodels.service import Point, fair_queue, gif, inference, sessions, slices, speak
from genmodels.service.fair_queue import CancelledError, FairQueue, background, queued
from genmodels.service.sessions import LOCAL, Session
from genmodels.service.speak import compilation
from tests.support.runs import save_run
from tests.support.speech import SMALL

PATIENCE = 60.0


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch) -> FairQueue:
    """A queue for this test in which one job runs at a time."""
    own = FairQueue(active=1, per_session=3, places=6)
    monkeypatch.setattr(fair_queue, "queue", own)
    return own


def test_sessions_take_turns_whatever_their_number_of_requests(line: FairQueue) -> None:
    a, b, c = Session("a"), Session("b"), Session("c")
    first, second, third = (line.join(a) for _ in range(3))
    other, last = line.join(b), line.join(c)
    assert [ticket.position for ticket in (first, second, third, other, last)] == [0, 3, 4, 1, 2]
    assert line.of(a) == [0, 3, 4]
    line.leave(first)
    assert [ticket.position for ticket in (second, third, other, last)] == [2, 3, 0, 1], "who was served waits longer"
    line.leave(last)
    assert line.of(c) == []
    assert [ticket.position for ticket in (second, third)] == [1, 2]


def test_a_session_has_a_limit_and_the_command_line_has_none_of_its_own(line: FairQueue) -> None:
    for _ in range(3):
        line.join(Session("a"))
    with pytest.raises(GenmodelsError, match="you already have 3 requests in line, and 3 are allowed"):
        line.join(Session("a"))
    for _ in range(3):
        line.join(LOCAL)
    with pytest.raises(GenmodelsError, match="6 requests of all visitors"):
        line.join(Session("b"))


def test_a_request_waits_for_its_turn_and_its_page_is_shown_the_position(line: FairQueue) -> None:
    running, seen, done = line.join(Session("a")), [], threading.Event()

    def look(position: int) -> None:
        seen.append(position)
        if len(seen) == 1:
            line.leave(running)

    def ask() -> None:
        with sessions.acting_for(Session("b", waiting=look)), queued() as ticket:
            assert ticket.position == 0
            done.set()

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join(PATIENCE)
    assert done.is_set()
    assert seen[0] == 1
    assert line.of(Session("b")) == []


def test_an_exception_of_a_waiting_page_frees_its_place(line: FairQueue) -> None:
    """Streamlit ends an outdated script run in this way."""

    class StopScript(BaseException):
        pass

    def stop(position: int) -> None:
        raise StopScript

    line.join(Session("a"))
    with pytest.raises(StopScript), sessions.acting_for(Session("b", waiting=stop)), queued():
        pytest.fail("it was not its turn")
    assert line.of(Session("b")) == []


@pytest.mark.parametrize("runs_already", [False, True])
def test_work_ends_after_its_visitor_has_left(
    line: FairQueue, monkeypatch: pytest.MonkeyPatch, runs_already: bool
) -> None:
    monkeypatch.setattr(fair_queue, "GRACE", 0.0)
    monkeypatch.setattr(fair_queue, "POLL", 0.001)
    connected = threading.Event()
    connected.set()
    if not runs_already:
        line.join(Session("other"))
        connected.clear()
    slices = 0

    def work() -> None:
        nonlocal slices
        with sessions.acting_for(Session("gone", connected=connected.is_set)), queued():
            while True:
                inference.run(lambda: None)
                slices += 1
                connected.clear()

    with pytest.raises(CancelledError, match="page that asked for it was closed"):
        work()
    assert (slices > 0) is runs_already
    assert line.of(Session("gone")) == []


def test_a_connection_that_returns_in_time_changes_nothing(line: FairQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fair_queue, "POLL", 0.0)
    answers = iter([False, False, True])
    with sessions.acting_for(Session("back", connected=lambda: next(answers, True))), queued():
        assert [inference.run(lambda: 7) for _ in range(5)] == [7] * 5


def test_an_interactive_request_is_answered_during_a_slice() -> None:
    entered, answered = threading.Event(), threading.Event()

    def long_slice() -> bool:
        entered.set()
        return answered.wait(PATIENCE)

    def work() -> None:
        with background():
            found.append(inference.run(long_slice))

    found: list[bool] = []
    thread = threading.Thread(target=work)
    thread.start()
    assert entered.wait(PATIENCE)
    assert inference.run(lambda: threading.current_thread().name).startswith("inference")
    answered.set()
    thread.join(PATIENCE)
    assert found == [True], "the slice was still running when the other request had its answer"


def test_background_jobs_take_turns_slice_by_slice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slices, "SLICE", 0.0)
    order: list[str] = []
    waiting = inference._background._work_queue

    def items(name: str) -> Iterator[str]:
        for index in range(5):
            order.append(name)
            while index == 0 and waiting.empty():  # until the other job's slice is there
                pass
            yield name

    def work(name: str) -> None:
        with background():
            found[name] = list(inference.in_slices(items(name)))

    found: dict[str, list[str]] = {}
    threads = [threading.Thread(target=work, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert found == {"a": ["a"] * 5, "b": ["b"] * 5}
    first, second = dict.fromkeys(order)
    assert order[:3] == [first, second, first]


def test_a_slice_ends_after_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted, not timed: with a slice of no time, each slice gives one item."""
    calls: list[object] = []
    run = inference.run
    monkeypatch.setattr(inference, "run", lambda task: calls.append(task) or run(task))
    monkeypatch.setattr(slices, "SLICE", 1e-9)
    assert list(inference.in_slices(iter(range(5)))) == list(range(5))
    assert len(calls) == 6
    monkeypatch.setattr(slices, "SLICE", 3600.0)
    calls.clear()
    assert list(inference.in_slices(iter(range(5)))) == list(range(5))
    assert len(calls) == 1


def test_an_error_of_a_slice_reaches_the_caller_and_frees_the_place(line: FairQueue) -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise TimeoutError("the task's own")

    with pytest.raises(TimeoutError, match="the task's own"), queued():
        list(inference.in_slices(broken()))
    assert line.of(LOCAL) == []


# --------------------------------------------------------------------- animations


def _frames(mode: str, count: int) -> list[Image.Image]:
    noise = np.random.default_rng(0).integers(0, 256, (count, 8, 8, 3), np.uint8)
    return [Image.fromarray(pixels).convert(mode) for pixels in noise]


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_gif_equals_that_of_pillow_in_this_process(mode: str, tmp_path: Path) -> None:
    frames, options = _frames(mode, 3), {"duration": [20, 30, 40], "loop": 0, "optimize": False}
    frames[0].save(tmp_path / "here.gif", save_all=True, append_images=frames[1:], **options)
    assert gif.encode(iter(frames), **options) == (tmp_path / "here.gif").read_bytes()


def test_a_cancelled_gif_leaves_no_encoder(line: FairQueue) -> None:
    def frames(ticket: fair_queue.Ticket) -> Iterator[Image.Image]:
        yield from _frames("RGB", 2)
        assert _encoders()
        ticket.cancel()
        ticket.check()

    with pytest.raises(CancelledError, match="cancelled"), queued() as ticket:
        gif.encode(frames(ticket))
    assert not _encoders()


def _encoders() -> list[psutil.Process]:
    found = []
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.NoSuchProcess):  # a child of another test that has ended, and has no command
            if "gif_encoder" in " ".join(child.cmdline()):
                found.append(child)
    return found


def test_an_error_of_the_encoder_is_raised_with_its_message() -> None:
    with pytest.raises(RuntimeError, match=r"GIF encoder ended with 1: .*Traceback"):
        gif.encode([Image.new("RGB", (4, 4))], duration="no number")


def test_a_walk_waits_in_line_and_an_image_does_not(
    line: FairQueue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENMODELS_RUNS", str(tmp_path))
    save_run(tmp_path, "vae", "mnist_vae_20", "data.name=digits")
    running = line.join(Session("first"))
    made: list[bytes] = []
    thread = threading.Thread(
        target=lambda: made.append(service.walk_gif(service.walk_of_seeds(Point(model="vae")), frames=2))
    )
    thread.start()
    while not line.of(LOCAL):
        thread.join(0.001)
    assert line.of(LOCAL) == [1]
    assert service.render(Point(model="vae")).width == 28
    assert not made
    line.leave(running)
    thread.join(PATIENCE)
    assert made[0][:4] == b"GIF8"


# --------------------------------------------------------------------- speech


@pytest.fixture
def voice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> speak.SpeakRequest:
    monkeypatch.setenv("GENMODELS_RUNS", str(tmp_path))
    save_run(tmp_path, "voice", "tones_wavenet", *SMALL)
    return speak.SpeakRequest(model="voice", seed=11, seconds=8.0)


def test_a_recording_waits_in_line_and_can_be_stopped_there(line: FairQueue, voice: speak.SpeakRequest) -> None:
    running = line.join(Session("first"))
    waiting, next_one = speak.generate(voice), speak.generate(voice.replace(seed=12, seconds=0.1))
    assert (waiting.position, next_one.position) == (1, 2)
    waiting.stop()
    waiting.wait(PATIENCE)
    assert not waiting.running
    assert not waiting.problem
    assert next_one.position == 1
    line.leave(running)
    next_one.wait(PATIENCE)
    assert next_one.finished
    assert next_one.position == 0
    waiting.start()
    waiting.wait(PATIENCE)
    assert waiting.finished, "it goes on where it was stopped"


def test_a_recording_ends_after_its_listener_has_left(
    line: FairQueue, voice: speak.SpeakRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fair_queue, "GRACE", 0.0)
    monkeypatch.setattr(fair_queue, "POLL", 0.001)
    with sessions.acting_for(Session("gone", connected=lambda: False)):
        drawing = speak.generate(voice)
    drawing.wait(PATIENCE)
    assert "page that asked for it was closed" in drawing.problem
    assert not drawing.finished
    assert line.of(Session("gone")) == []


def test_preparing_compiles_all_that_a_recording_needs(voice: speak.SpeakRequest) -> None:
    """Compiled later, on the background thread, it would hold up all background work for half a minute."""
    compilation.prepare()
    assert samples_compiled.compiled()
    known = list(samples_compiled._advance.signatures)
    drawing = speak.generate(voice.replace(seconds=0.2))
    drawing.wait(PATIENCE)
    assert drawing.finished
    assert list(samples_compiled._advance.signatures) == known
