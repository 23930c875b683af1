"""One server of the Gradio interface for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from gradio_client import Client

from tests.support.browser import Server
from tests.support.gradio_server import standalone


@pytest.fixture(scope="package")
def gradio_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("gradio")
    with standalone({"GENMODELS_RUNS": str(folder / "runs")}, folder / "log") as found:
        yield found


@pytest.fixture(scope="package")
def client(gradio_server: Server) -> Client:
    return Client(gradio_server.url, verbose=False)
