"""One Chromium, and one server of one set of saved runs, for all tests of this folder.

They end with the folder, not with the session: a living Playwright holds the thread's event loop, which other tests
may need.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.browser import UNOPTIMISED, Browser, Server, browsing, server_of, shared_chromium
from tests.support.job_processes import end_processes
from tests.support.saved_runs import folders, save_everything


@pytest.fixture(scope="package")
def chromium_process(request: pytest.FixtureRequest) -> Iterator[None]:
    timed = any(item.get_closest_marker("alone") for item in request.session.items)
    with shared_chromium(() if timed else UNOPTIMISED):
        yield


@pytest.fixture(autouse=True)
def _share_chromium(request: pytest.FixtureRequest) -> None:
    if request.node.get_closest_marker("browser"):
        request.getfixturevalue("chromium_process")


@pytest.fixture
def browser(request: pytest.FixtureRequest) -> Iterator[Browser]:
    """A window with nothing in its cache and no cookies; an animated one for a test that measures time."""
    with browsing(animated=request.node.get_closest_marker("alone") is not None) as window:
        yield window


@pytest.fixture(scope="package")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the saved runs, checkpoints and data of `server`."""
    root = tmp_path_factory.mktemp("studio")
    save_everything(root)
    return root


@pytest.fixture(scope="package")
def server(studio: Path) -> Iterator[Server]:
    """Shows what is in `studio`. A test that needs a server without runs, or before its first page, has its own."""
    with server_of(folders(studio), studio / "server.log") as found:
        yield found
    end_processes(studio / "runs")


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A runs folder for the trainings of one module; their processes end with it."""
    root = tmp_path_factory.mktemp("workshop")
    yield root
    end_processes(root)


@pytest.fixture(scope="module")
def workshop_server(workshop: Path) -> Iterator[Server]:
    """Shows `workshop`. It starts with the module, so its first page is a cold one."""
    with server_of({"GENMODELS_RUNS": str(workshop)}, workshop.parent / "workshop.log") as found:
        yield found
