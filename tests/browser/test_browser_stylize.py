"""The stylize page in a real Chromium: two pictures, a button, a canvas that changes by itself, and the way back."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, TimeoutError, expect

from tests.support.browser import Browser, Server, settle, widget

pytestmark = [pytest.mark.browser, pytest.mark.slow]
_PATIENCE = 120_000
"""A worker that reads VGG takes some ten seconds to begin; a shared machine gets more."""


def slide(page: Page, key: str, value: str) -> None:
    """With the arrow keys, to the left: both sliders stand to the right of what is wanted."""
    handle = widget(page, key).get_by_role("slider")
    for _ in range(8):
        if widget(page, key).get_by_test_id("stSliderThumbValue").inner_text() == value:
            return
        handle.press("ArrowLeft")
    raise AssertionError(f"{key} cannot be set to {value}")


def choose(page: Page, box: Locator, title: str) -> None:
    """Choose from a list; a list that is open while the page runs again closes, and is opened once more."""
    for _ in range(5):
        settle(page, _PATIENCE)
        box.click()
        try:
            page.get_by_role("option", name=title).click(timeout=4_000)
        except TimeoutError:
            continue
        return
    raise AssertionError(f"{title} could not be chosen")


def canvas(page: Page) -> str:
    return str(widget(page, "stylize_canvas").locator("img").get_attribute("src"))


@pytest.mark.timeout(400)
def test_a_painting_comes_and_can_be_gone_back_through(browser: Browser, server: Server) -> None:
    browser.context.set_default_timeout(_PATIENCE)
    page = browser.open(server.url + "/stylize?model=fast", wait_for_app=False)
    settle(page, _PATIENCE)
    for key, title in (("content", "Tübingen"), ("style", "Udnie")):
        choice = widget(page, f"stylize_{key}_pick").get_by_role("combobox")
        choose(page, choice, title)
        expect(choice).to_have_value(re.compile(title))
        settle(page, _PATIENCE)  # a page that runs again closes an open list
    expect(widget(page, "stylize_content_shown").get_by_role("img")).to_have_attribute(
        "alt", "The photograph tubingen.png, original."
    )
    fast = widget(page, "stylize_compare_fast")
    expect(fast.get_by_role("slider")).to_have_attribute("aria-valuetext", "50 % of the picture shown painted")
    slide(page, "stylize_size", "64")
    slide(page, "stylize_iterations", "50")  # at fewer it can end before the first look
    settle(page, _PATIENCE)
    widget(page, "stylize_begin").get_by_role("button").click()

    shown = widget(page, "stylize_canvas").locator("img")
    expect(shown).to_be_visible(timeout=_PATIENCE)
    first = canvas(page)
    expect(shown).not_to_have_attribute("src", first, timeout=_PATIENCE)
    expect(page.get_by_text("Finished: all 50 steps")).to_be_visible(timeout=_PATIENCE)
    expect(widget(page, "stylize_canvas").locator("figcaption")).to_have_text("After 50 iterations")
    last = canvas(page)

    handle = widget(page, "stylize_canvas_step").get_by_role("slider")
    handle.press("Home")
    expect(widget(page, "stylize_canvas").locator("figcaption")).to_have_text("After 0 iterations")
    assert canvas(page) not in ("", last)
    handle.press("ArrowRight")
    expect(widget(page, "stylize_canvas").locator("figcaption")).to_have_text("After 1 iterations")
    size = shown.evaluate("image => [image.naturalWidth, image.naturalHeight]")
    assert max(size) == 64
    browser.check_console()
