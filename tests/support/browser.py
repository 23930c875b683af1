"""For tests in a real browser: the real server on a free port, Chromium, and no error left in its console.

from tests.support.browser import Browser, Server, browser, server_of     # `browser` is a fixture

def test_something(browser, tmp_path):
    with server_of({"GENMODELS_RUNS": str(tmp_path)}) as server:
        page = browser.open(server.url + "/train")
        ...
        browser.check_console()
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import BrowserContext, ConsoleMessage, Locator, Page, expect, sync_playwright

ROOT = Path(__file__).parents[2]
_PATIENCE_MS = 20_000  # for a click and for what it leads to; a test that promises a time names its own
_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",  # a camera that shows a clock face, allowed without asking
    "--use-fake-ui-for-media-stream",
]
# On a cold deep link Streamlit itself first looks for its server below /latent/, then at the root.
_HARMLESS = ("/_stcore/host-config", "/_stcore/health")


@dataclass(frozen=True)
class Server:
    url: str
    process: subprocess.Popen[bytes]
    log: Path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def chromium() -> str | None:
    """The system's Chromium, or None: then playwright's own is tried."""
    return next((path for name in ("chromium", "chromium-browser") if (path := shutil.which(name))), None)


@contextmanager
def server_of(
    env: Mapping[str, str],
    log: Path | None = None,
    timeout: float = 60.0,
    arguments: Sequence[str] = (),
    root: Path = ROOT,
    base: str = "",
) -> Iterator[Server]:
    """`streamlit run app.py` on a free port with `env` added; ended with the block. `log` receives its output.

    `base` is a path below which it is served, such as "a/studio".
    """
    port = free_port()
    command = [sys.executable, "-m", "streamlit", "run", str(root / "app.py"), f"--server.port={port}", *arguments]
    command += [f"--server.baseUrlPath={base}"] if base else []
    with _serving(command, port, env, log, timeout, root, base) as server:
        yield server


@contextmanager
def uvicorn_of(env: Mapping[str, str], log: Path | None = None, timeout: float = 60.0) -> Iterator[Server]:
    """The same by `uvicorn app:app`."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "app:app", "--host", "127.0.0.1", "--port", str(port)]
    with _serving(command, port, env, log, timeout) as server:
        yield server


@contextmanager
def _serving(
    command: list[str],
    port: int,
    env: Mapping[str, str],
    log: Path | None,
    timeout: float,
    root: Path = ROOT,
    base: str = "",
) -> Iterator[Server]:
    target = log or Path(os.devnull)
    with target.open("ab") as output:
        process = subprocess.Popen(
            command, cwd=root, env={**os.environ, **env}, stdout=output, stderr=subprocess.STDOUT
        )
    server = Server(f"http://127.0.0.1:{port}" + (f"/{base}" if base else ""), process, target)
    try:
        _wait_until_healthy(server, timeout)
        yield server
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_healthy(server: Server, timeout: float) -> None:
    end = time.monotonic() + timeout
    while True:
        if server.process.poll() is not None:
            raise RuntimeError(f"the server ended with {server.process.returncode}; its output is in {server.log}")
        try:
            with urllib.request.urlopen(server.url + "/_stcore/health", timeout=1) as answer:
                if answer.status == 200:
                    return
        except OSError as error:
            if time.monotonic() > end:
                raise RuntimeError(f"{server.url} did not answer in {timeout:.0f} s") from error
        time.sleep(0.1)


class Browser:
    """Pages in one Chromium; everything their consoles complain about is collected."""

    def __init__(self, context: BrowserContext) -> None:
        self.context = context
        self.complaints: list[str] = []

    def open(self, url: str, *, wait_for_app: bool = True) -> Page:
        page = self.context.new_page()
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.goto(url)
        if wait_for_app:
            settle(page)
        return page

    def check_console(self) -> None:
        """Fails where a page logged an error."""
        assert not self.complaints, "the browser's console: " + " | ".join(self.complaints)

    def _heard(self, message: ConsoleMessage) -> None:
        source = message.location.get("url", "")
        if message.type == "error" and not source.endswith(_HARMLESS):
            self.complaints.append(f"{message.text} ({source})")


def settle(page: Page, timeout: float = 30_000) -> None:
    """Wait until the script has run to its end and shows no exception."""
    page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]', timeout=timeout)
    page.wait_for_selector('[data-testid="stMain"] h1', timeout=timeout)
    exceptions = page.locator('[data-testid="stException"], .st-key-unexpected_error')
    assert exceptions.count() == 0, exceptions.first.inner_text()


def widget(page: Page, key: str) -> Locator:
    """A widget by its Streamlit key."""
    return page.locator(f".st-key-{key}")


@contextmanager
def _launched() -> Iterator[Chromium]:
    with sync_playwright() as playwright:
        chrome = playwright.chromium.launch(executable_path=chromium(), args=_FLAGS)
        try:
            yield chrome
        finally:
            chrome.close()


_shared: list[Chromium] = []
"""The Chromium of the test module that runs: starting one for every test would cost a second each time."""


@contextmanager
def browsing(*, width: int = 1280, height: int = 900, dark: bool = False) -> Iterator[Browser]:
    """A window of its own: nothing is kept from another one, neither cookies nor cache."""
    with ExitStack() as stack:
        chrome = _shared[0] if _shared else stack.enter_context(_launched())
        context = chrome.new_context(
            viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light"
        )
        stack.callback(context.close)
        context.set_default_timeout(_PATIENCE_MS)
        expect.set_options(timeout=_PATIENCE_MS)
        yield Browser(context)


@pytest.fixture
def browser(request: pytest.FixtureRequest) -> Iterator[Browser]:
    module = request.node.getparent(pytest.Module)
    if not _shared:
        stack = ExitStack()
        _shared.append(stack.enter_context(_launched()))
        # Not for the whole session: a living Playwright holds this thread's event loop, which other tests may need.
        module.addfinalizer(stack.close)
        module.addfinalizer(_shared.clear)
    with browsing() as found:
        yield found
