"""The flow page in a real Chromium: the film by keyboard and button, without the server, and narrow windows."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import Browser, Server, settle, widget

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def canvases(page: Page) -> list[str]:
    """What each canvas of the film shows: an image and its predicted end in turn."""
    urls: list[str] = (
        widget(page, "flow_film").locator("canvas").evaluate_all("all => all.map(canvas => canvas.toDataURL())")
    )
    return urls


def test_the_film_runs_in_the_browser_and_every_part_fits_a_narrow_window(browser: Browser, server: Server) -> None:
    page = browser.open(server.url + "/flow?model=flow&steps=4&guidance=2")
    film = widget(page, "flow_film")
    images, time = film.locator(".images"), film.get_by_role("slider")
    expect(images).to_have_attribute("data-frame", "2")
    expect(time).to_have_attribute("aria-valuetext", "t = 0.5")
    sheet, middle = images.get_attribute("data-src"), canvases(page)
    assert len(set(middle)) == 16, "eight images and eight predicted ends"
    time.focus()
    page.keyboard.press("Home")
    expect(images).to_have_attribute("data-frame", "0")
    noise = canvases(page)
    assert all(one != other for one, other in zip(noise, middle, strict=True))
    page.keyboard.press("End")
    expect(time).to_have_attribute("aria-valuetext", "t = 1")
    end = canvases(page)
    assert end[::2] == end[1::2], "at the end the image is its own prediction"
    film.get_by_role("button", name="Play").click()
    expect(film.get_by_role("button", name="Pause")).to_be_visible()
    expect(film.get_by_role("button", name="Play")).to_be_visible(timeout=20_000)
    expect(images).to_have_attribute("data-frame", "4")
    assert canvases(page) == end
    assert images.get_attribute("data-src") == sheet
    expect(film.get_by_role("img").first).to_have_attribute("aria-label", re.compile("chosen time: seed 0 · class 0"))
    page.set_viewport_size({"width": 390, "height": 800})
    for part, key in (("solvers", "flow_solvers"), ("guidance", "flow_scales"), ("encode", "flow_classes")):
        page.goto(f"{server.url}/flow?model=flow&part={part}")
        expect(widget(page, key).locator("canvas").first).to_be_visible(timeout=60_000)
        settle(page, timeout=60_000)
        main = page.locator('[data-testid="stMain"]')
        assert main.evaluate("main => main.scrollWidth - main.clientWidth") <= 0, part
    browser.check_console()
