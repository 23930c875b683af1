"""How long the first press of Speak takes on a machine that has never compiled the sampler, 30 s after the start."""

from __future__ import annotations

import time
from typing import Any

from playwright.sync_api import expect

from benchmarks.options import Length
from benchmarks.servers import Place
from tests.support.browser import browsing, settle, widget

MODEL = "fsdd_wavenet"
WAIT = 30.0
_PATIENCE_MS = 120_000


def measure(place: Place, length: Length) -> dict[str, Any]:
    """Seconds from the click to the recording with its charts; in the short form without waiting for `WAIT`.

    The page is opened before the wait, as by a visitor who reads first.
    """
    wait = 0.0 if length.short else WAIT
    with browsing() as browser:
        page = browser.open(f"{place.server.url}/speak?model={MODEL}")
        expect(page.locator("audio")).to_have_count(1)  # the stored recording
        settle(page)
        page.wait_for_timeout(1000 * max(0.0, wait - (time.perf_counter() - place.start)))
        began = time.perf_counter()
        widget(page, "speak_go_ask").get_by_role("button").first.click()
        widget(page, "speak_wav_ask").wait_for(timeout=_PATIENCE_MS)
        seconds = time.perf_counter() - began
        browser.check_console()
    return {f"first press of Speak, {wait:.0f} s after the start of a new server (s)": seconds}
