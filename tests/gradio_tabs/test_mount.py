"""Gradio below the studio's own address: imported on first use, redirected to, and ended with the server."""

from __future__ import annotations

from pathlib import Path

import httpx
import psutil
import pytest

from tests.support.browser import Server, server_of
from tests.support.gradio_server import standalone
from tests.support.websocket_client import Client

pytestmark = pytest.mark.slow


def has_loaded_gradio(server: Server) -> bool:
    """Whether the server has loaded a library that only Gradio uses."""
    maps = psutil.Process(server.process.pid).memory_maps()
    return any("orjson" in entry.path for entry in maps)


def test_it_is_imported_when_it_is_first_requested_below_a_base_path(tmp_path: Path) -> None:
    with server_of({"GENMODELS_RUNS": str(tmp_path)}, tmp_path / "log", base="a/studio") as server:
        with Client(server.url) as visitor:
            visitor.open("")
            assert not visitor.exceptions
        assert not has_loaded_gradio(server)
        answer = httpx.get(f"{server.url}/gradio?view=api", timeout=60)
        assert answer.status_code == 307
        assert str(answer.next_request.url) == f"{server.url}/gradio/?view=api"
        page = httpx.get(f"{server.url}/gradio/", timeout=120)
        assert page.status_code == 200
        assert f"{server.url}/gradio" in page.text
        assert has_loaded_gradio(server)
        assert page.headers["x-content-type-options"] == "nosniff"
        foreign = httpx.get(f"{server.url}/gradio/", headers={"host": "evil.example"}, timeout=60)
        assert foreign.status_code == 403
        server.process.terminate()
        assert server.process.wait(20) in (0, -15)
    assert "Traceback" not in (tmp_path / "log").read_text()


def test_it_starts_alone(tmp_path: Path) -> None:
    with standalone({"GENMODELS_RUNS": str(tmp_path)}, tmp_path / "log") as server:
        assert httpx.get(f"{server.url}gradio_api/info", timeout=60).json()["named_endpoints"]["/sample"]
        assert httpx.get(f"{server.url}monitoring", timeout=60).status_code == 404
