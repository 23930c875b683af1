"""For tests in a real browser: the real server on a free port, Chromium, and no error left in its console.

def test_something(browser, server):     # fixtures of tests/browser/conftest.py
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

from playwright.sync_api import Browser as Chromium
from playwright.sync_api import BrowserContext, ConsoleMessage, Locator, Page, WebError, expect, sync_playwright

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
# Without V8's optimising compilers: most pages are closed before optimised code has regained its compile time. An open
# page costs a tenth less processor time. Not for what measures times.
UNOPTIMISED = ("--js-flags=--no-opt --no-maglev",)
# On a cold deep link Streamlit itself first looks for its server below /latent/, then at the root.
_HARMLESS = ("/_stcore/host-config", "/_stcore/health")

# Ends every CSS animation and transition at once. Streamlit's placeholders and fading elements otherwise make Chromium
# paint 60 frames per second without a GPU. Their events are still sent.
_STILL = """{
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(`*, *::before, *::after {
    animation-delay: 0s !important; animation-duration: 1ms !important; animation-iteration-count: 1 !important;
    transition-delay: 0s !important; transition-duration: 1ms !important;
  }`);
  document.adoptedStyleSheets.push(sheet);
}"""

# Parts of elements' texts that are on two lines, though they have no place to break: a space or the end of "name_".
BROKEN_WORDS = """elements => elements.flatMap(element => {
  const broken = [], texts = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  while (texts.nextNode())
    for (const word of texts.currentNode.data.matchAll(/[^\\s_]+_?/g)) {
      const range = document.createRange();
      range.setStart(texts.currentNode, word.index);
      range.setEnd(texts.currentNode, word.index + word[0].length);
      if (new Set([...range.getClientRects()].map(box => Math.round(box.top))).size > 1) broken.push(word[0]);
    }
  return broken;
})"""


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


@dataclass(frozen=True)
class _Look:
    width: int
    height: int
    dark: bool


class Browser:
    """A window of Chromium and its tabs; everything their consoles complain about is collected."""

    def __init__(self, context: BrowserContext, look: _Look, tab: Page | None = None) -> None:
        self.context = context
        self.complaints: list[str] = []
        self._look, self._tab = look, tab
        context.on("console", self._heard)
        context.on("weberror", self._failed)

    def open(self, url: str, *, wait_for_app: bool = True) -> Page:
        """Open `url` in another tab, and wait until the app has shown it."""
        page, self._tab = self._tab or self.context.new_page(), None
        page.set_viewport_size({"width": self._look.width, "height": self._look.height})
        page.emulate_media(color_scheme="dark" if self._look.dark else "light")
        page.goto(url)
        if wait_for_app:
            settle(page)
        return page

    def check_console(self) -> None:
        """Fails if a page logged an error."""
        assert not self.complaints, "the browser's console: " + " | ".join(self.complaints)

    def clear(self) -> None:
        """Close all tabs but the first, leave its page, and delete cookies and what pages have stored."""
        first, *others = self.context.pages or [self.context.new_page()]
        for page in others:
            page.close()
        self.context.remove_listener("console", self._heard)
        self.context.remove_listener("weberror", self._failed)
        first.evaluate("if (location.protocol.startsWith('http')) { localStorage.clear(); sessionStorage.clear(); }")
        first.goto("about:blank")
        first.mouse.move(0, 0)
        first.set_default_timeout(_PATIENCE_MS)
        self.context.clear_cookies()
        self.context.clear_permissions()

    def _heard(self, message: ConsoleMessage) -> None:
        source = message.location.get("url", "")
        if message.type == "error" and not source.endswith(_HARMLESS):
            self.complaints.append(f"{message.text} ({source})")

    def _failed(self, error: WebError) -> None:
        self.complaints.append(str(error.error))


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
def _launched(flags: Sequence[str] = ()) -> Iterator[Chromium]:
    with sync_playwright() as playwright:
        chrome = playwright.chromium.launch(executable_path=chromium(), args=[*_FLAGS, *flags])
        try:
            yield chrome
        finally:
            chrome.close()


_shared: list[Chromium] = []
_windows: dict[bool, list[BrowserContext]] = {True: [], False: []}
"""Windows of `_shared` that no `browsing` uses at the moment, by `animated`: one that has read the app's scripts opens
a page in a second less."""


@contextmanager
def shared_chromium(flags: Sequence[str] = ()) -> Iterator[None]:
    """One Chromium, with `flags` added, for every `browsing` in the block; inside another such block, that one's.

    Starting one for each would cost a second each time.
    """
    if _shared:
        yield
        return
    with _launched(flags) as chrome:
        _shared.append(chrome)
        try:
            yield
        finally:
            _shared.clear()
            for windows in _windows.values():
                windows.clear()


@contextmanager
def browsing(
    *, width: int = 1280, height: int = 900, dark: bool = False, fresh: bool = False, animated: bool = False
) -> Iterator[Browser]:
    """A window that has no cookies and has stored nothing; if it is `fresh`, its cache is empty too.

    What measures times needs an `animated` one, as visitors have.
    """
    look = _Look(width, height, dark)
    with ExitStack() as stack:
        reuse = bool(_shared) and not fresh
        if reuse and _windows[animated]:
            context = _windows[animated].pop()
        else:
            context = (_shared[0] if _shared else stack.enter_context(_launched())).new_context(
                viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light"
            )
            if not animated:
                context.add_init_script(_STILL)
        context.set_default_timeout(_PATIENCE_MS)
        expect.set_options(timeout=_PATIENCE_MS)
        window = Browser(context, look, context.pages[0] if context.pages else None)
        try:
            yield window
        finally:
            if reuse:
                window.clear()
                _windows[animated].append(context)
            else:
                context.close()
