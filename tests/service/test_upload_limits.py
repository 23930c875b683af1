"""Upload limits for a client that speaks the protocol itself: the server refuses, stores little, and frees it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from genmodels.service import translate
from pages.components.i18n import t
from tests.support.browser import Server, server_of
from tests.support.picture_files import RED, encoded, plain
from tests.support.websocket_client import Client

pytestmark = pytest.mark.slow
MB = 2**20
GOOD = encoded(plain(RED, (40, 30)))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("uploads")
    env = {"GENMODELS_RUNS": str(folder / "runs"), "GENMODELS_DATA": str(folder / "data"), "GENMODELS_PUBLIC": "1"}
    with server_of(env, folder / "log") as running:
        yield running


def on_page(server: Server, page: str) -> Client:
    client = Client(server.url)
    client.open(page)
    if page == "translate":  # it opens with a bundled photograph, and shows the field for files when asked
        client.set("translate_source", string_array_value=[t("translate.sources.upload")])
        client.run()
    return client


def kept(server: Server) -> int:
    """Bytes of all uploaded files that Streamlit holds, as it reports them."""
    with Client(server.url) as client:
        status, answer = client.request("GET", "/_stcore/metrics")
    assert status == 200
    lines = [line for line in answer.decode().splitlines() if "UploadedFileManager" in line]
    return sum(int(float(line.rsplit(" ", 1)[1])) for line in lines)


def until(condition: Callable[[], bool], seconds: float = 40.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.2)


def test_a_file_beyond_the_pages_limit_is_refused_with_the_limit(server: Server) -> None:
    with on_page(server, "translate") as client:
        large = client.upload("large.png", bytes((translate.MAX_MB + 1) * MB))
        assert (large.status, large.answer) == (413, t("common.refused.upload_file", megabytes=translate.MAX_MB))
        good = client.upload("good.png", GOOD)
        assert good.status == 204
        client.set("translate_upload", files=[good])
        client.run()
        assert not client.exceptions


def test_a_body_without_a_length_is_counted_as_it_arrives(server: Server) -> None:
    with on_page(server, "translate") as client:
        _, url = client.upload_address("large.png")
        before = psutil.Process(server.process.pid).memory_info().rss

        def endless() -> Iterator[bytes]:
            yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'
            for _ in range(2 * translate.MAX_MB):
                yield bytes(MB)
            yield b"\r\n--x--\r\n"

        status, answer = client.request(
            "PUT",
            url if url.startswith("/") else f"/{url}",
            endless(),  # type: ignore[arg-type]  # http.client sends an iterable in chunks
            {"Content-Type": "multipart/form-data; boundary=x"},
        )
        assert status == 413
        assert answer.decode() == t("common.refused.upload_file", megabytes=translate.MAX_MB)
        assert psutil.Process(server.process.pid).memory_info().rss < before + 2 * translate.MAX_MB * MB


def test_a_page_without_an_uploader_receives_nothing(server: Server) -> None:
    with on_page(server, "latent") as client:
        refused = client.upload("a.png", GOOD)
        assert (refused.status, refused.answer) == (413, t("common.refused.upload_none"))


def test_a_session_holds_no_more_than_its_uploaders_need_and_frees_it_when_it_leaves(server: Server) -> None:
    with on_page(server, "translate") as first:  # a first file loads what stays: torch, the model, the decoder
        first.set("translate_upload", files=[first.upload("small.png", bytes(MB))])
        first.run()
    until(lambda: kept(server) == 0)
    process = psutil.Process(server.process.pid)
    before = process.memory_info().rss
    with on_page(server, "translate") as client:
        files = [client.upload("part.png", bytes(40 * MB))]
        while files[-1].status == 204:
            assert len(files) < 20
            files.append(client.upload("part.png", bytes(40 * MB)))
        assert (files[-1].status, files.pop().answer) == (
            413,
            t("common.refused.upload_session", megabytes=256, files=translate.MAX_IMAGES),
        )
        until(lambda: kept(server) > 200 * MB)
        assert kept(server) < 330 * MB
        client.set("translate_upload", files=files)
        client.run()  # the page's own objects hold the files now, too
        with on_page(server, "translate") as other:
            assert other.upload("good.png", GOOD).status == 204, "another session is not affected"
    until(lambda: kept(server) == 0)
    until(lambda: process.memory_info().rss < before + 100 * MB)


def test_many_small_files_are_refused_too(server: Server) -> None:
    with on_page(server, "translate") as client:
        statuses = [client.upload("a.png", b"") for _ in range(translate.MAX_IMAGES + 9)]
        assert statuses[translate.MAX_IMAGES].status == 204
        assert statuses[-1].status == 413
        assert "more than 12" in statuses[-1].answer


@contextmanager
def server_with(limits: str, folder: Path) -> Iterator[Server]:
    """The pages behind the same middleware, with other limits."""
    root = Path(__file__).parents[2]
    (folder / "app.py").write_text(
        f"import sys; sys.path.insert(0, {str(root)!r})\n"
        "import streamlit as st\n"
        "from starlette.middleware import Middleware\n"
        "from pages.server.uploads import UploadLimits\n"
        f"app = st.App({str(root / 'pages' / 'frame.py')!r}, middleware=[Middleware(UploadLimits, {limits})])\n"
    )
    with server_of({"GENMODELS_DATA": str(folder / "data")}, root=folder) as server:
        yield server


def test_all_sessions_together_are_limited(tmp_path: Path) -> None:
    with (
        server_with(f"server_bytes={6 * MB}", tmp_path) as server,
        on_page(server, "translate") as first,
        on_page(server, "translate") as second,
    ):
        assert first.upload("a.png", bytes(4 * MB)).status == 204
        refused = second.upload("b.png", bytes(4 * MB))
        assert (refused.status, refused.answer) == (413, t("common.refused.upload_server"))
        assert second.upload("b.png", bytes(MB)).status == 204


def test_files_that_no_uploader_holds_any_more_are_removed(tmp_path: Path) -> None:
    """A browser does not say that the page with the uploader was left, and a client need not say what it replaced."""
    with server_with("unused_seconds=0.5", tmp_path) as server, on_page(server, "translate") as client:
        first = client.upload("a.png", GOOD + bytes(MB))
        client.set("translate_upload", files=[first])
        client.run()
        until(lambda: kept(server) > MB)
        second = client.upload("b.png", GOOD)
        client.set("translate_upload", files=[second])
        client.run()
        until(lambda: kept(server) == len(GOOD))
        assert "b.png" in client.text()
        client.open("latent")
        until(lambda: kept(server) == 0)


def test_the_first_files_of_a_choice_stay_while_the_last_one_arrives(tmp_path: Path) -> None:
    """A browser uploads the files of one choice side by side, and names them all when the last one is complete."""
    arriving, complete = threading.Event(), threading.Event()

    def slow() -> Iterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="last.png"\r\n\r\n'
        arriving.set()
        complete.wait(60)
        yield GOOD + b"\r\n--x--\r\n"

    with (
        server_with("unused_seconds=0.5", tmp_path) as server,
        on_page(server, "translate") as client,
        on_page(server, "translate") as other,
        ThreadPoolExecutor(1) as pool,
    ):
        url = f"/{client.upload_address('last.png')[1].lstrip('/')}"
        header = {"Content-Type": "multipart/form-data; boundary=x"}
        answer = pool.submit(client.request, "PUT", url, slow(), header)  # type: ignore[arg-type]
        try:
            assert arriving.wait(60)
            first = client.upload("first.png", GOOD + bytes(MB))
            other.upload("unused.png", GOOD + bytes(2 * MB))
            until(lambda: kept(server) > 3 * MB)
            until(lambda: kept(server) < 3 * MB)  # the other session's file has been removed
            assert kept(server) == first.size
        finally:
            complete.set()
        assert answer.result()[0] == 204
        until(lambda: kept(server) == 0)
