"""One server of the studio, with the Gradio interface below /gradio/, for all tests of this folder."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator

import pytest
from gradio_client import Client

from tests.support.browser import Server, server_of


@pytest.fixture(scope="package")
def studio_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("gradio")
    with server_of({"GENMODELS_RUNS": str(folder / "runs")}, folder / "log") as found:
        urllib.request.urlopen(f"{found.url}/gradio/", timeout=120).close()  # imports Gradio
        yield found


@pytest.fixture(scope="package")
def client(studio_server: Server) -> Client:
    return Client(f"{studio_server.url}/gradio/", verbose=False, httpx_kwargs={"timeout": 120})
