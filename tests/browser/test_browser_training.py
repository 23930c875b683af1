"""Training from the page in a real browser: the curve appears, survives a reload, stops and resumes by button."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from genmodels.runs.folder import RunFolder
from tests.support.browser import Browser, Server, browsing, settle, widget

pytestmark = [pytest.mark.browser, pytest.mark.slow]
FIRST_POINT_S = 15.0
"""An idle machine takes under 5 s, which the test prints; a shared one gets three times that."""


def click(page: Page, key: str) -> None:
    # Streamlit renders a second, hidden copy for narrow windows
    widget(page, key).locator("button:visible").first.click()


def curve(page: Page) -> Locator:
    return page.locator('[data-testid="stVegaLiteChart"] canvas, [data-testid="stVegaLiteChart"] svg').first


def metrics_of(runs: Path, run: str) -> int:
    series, _ = RunFolder(runs / run).metrics()
    return len(series)


@pytest.mark.timeout(120)
def test_a_cold_deep_link_to_a_run_that_does_not_exist(workshop_server: Server) -> None:
    with browsing(fresh=True) as window:
        page = window.open(workshop_server.url + "/runs?run=gone-7")
        expect(page.get_by_role("link", name="Gallery")).to_be_visible()
        expect(page.get_by_text("There are no runs yet")).to_be_visible()
        page.get_by_role("link", name="Start a training").click()
        expect(page.get_by_role("heading", name="Train", exact=True)).to_be_visible()
        window.check_console()


@pytest.mark.timeout(300)
def test_train_from_the_page_reload_stop_and_resume(browser: Browser, workshop: Path, workshop_server: Server) -> None:
    page = browser.open(workshop_server.url + "/train?recipe=pattern_1010_gan")
    steps = widget(page, "train_train_max_steps").locator("input")
    steps.fill("200000")
    steps.press("Enter")
    expect(page.get_by_text("train.max_steps=200000")).to_be_visible()
    settle(page)

    begin = time.monotonic()
    click(page, "train_start")
    expect(curve(page)).to_be_visible(timeout=FIRST_POINT_S * 1000)
    seconds = time.monotonic() - begin
    print(f"first curve point {seconds:.1f} s after the click, load {os.getloadavg()[0]:.1f}")
    assert seconds < FIRST_POINT_S
    run = re.search(r"[?&]run=([^&]+)", page.url)
    assert run is not None
    name = run.group(1)

    # The page's own alternative text says how far the curve is: it grows without a click.
    described = page.locator('[aria-label*="Curves of discriminator"], [alt*="Curves of discriminator"]').first
    before = described.evaluate("e => e.getAttribute('aria-label') || e.getAttribute('alt')")
    page.wait_for_function(
        """before => [...document.querySelectorAll('[aria-label*="Curves of discriminator"]')]
            .some(e => e.getAttribute('aria-label') !== before)""",
        arg=before,
        timeout=15_000,
    )

    page.reload()
    settle(page)
    expect(curve(page)).to_be_visible()
    points = metrics_of(workshop, name)
    page.goto(f"{workshop_server.url}/runs?run={name}")
    settle(page)
    expect(curve(page)).to_be_visible()
    expect(page.get_by_text("Running on cpu: training.")).to_be_visible()
    assert metrics_of(workshop, name) > points

    widget(page, "runs_live_settings").locator("summary").click()
    rate = widget(page, "runs_setting_generator_lr").locator("input")
    rate.fill("0.02")
    rate.press("Enter")
    click(page, "runs_apply")
    expect(page.get_by_text("model.generator_lr changed from 0.01 to 0.02").first).to_be_visible()

    click(page, "runs_stop")
    expect(page.get_by_text(re.compile(r"^Stopped at step"))).to_be_visible(timeout=30_000)
    stopped = max(RunFolder(workshop / name).steps())
    assert stopped > 0
    click(page, "runs_resume")
    expect(page.get_by_text("Running on cpu: training.")).to_be_visible(timeout=30_000)
    expect(page.get_by_text(f"step {stopped:,}: resumed")).to_be_visible(timeout=15_000)

    click(page, "runs_stop")
    expect(page.get_by_text(re.compile(r"^Stopped at step"))).to_be_visible(timeout=30_000)
    assert max(RunFolder(workshop / name).steps()) > stopped
    browser.check_console()
