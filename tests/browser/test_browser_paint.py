"""The paint page in a real Chromium: it paints by itself, holds, and a click shows what a pixel was drawn from."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from pages.components.i18n import t
from tests.support.browser import Browser, Server, browsing, settle, widget

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def seen(page: Page, key: str, picture: int = 0) -> int:
    """How many pixels of a picture are painted, as the browser shows it."""
    count: int = (
        widget(page, key)
        .locator("canvas")
        .nth(picture)
        .evaluate(
            "tile => tile.getContext('2d').getImageData(0, 0, tile.width, tile.height).data"
            ".filter((value, index) => index % 4 === 3 && value > 0).length"
        )
    )
    return count


def all_painted(page: Page, key: str = "paint_board", pixels: int = 784) -> None:
    expect(widget(page, key).locator(".board")).to_have_attribute("data-shown", str(pixels), timeout=90_000)


def test_it_paints_holds_and_goes_on(browser: Browser, server: Server) -> None:
    page = browser.open(f"{server.url}/paint?model=asked&seed=3", wait_for_app=False)
    stop = widget(page, "paint_stop").get_by_role("button")
    shown = widget(page, "paint_board").locator(".board")
    expect(shown).to_have_attribute("data-shown", re.compile(r"^\d+$"), timeout=60_000)
    stop.dispatch_event("click")  # at once: a click with the mouse waits until the page is calm
    go_on = widget(page, "paint_go_on").get_by_role("button")
    expect(go_on).to_be_enabled(timeout=30_000)
    page.wait_for_timeout(400)
    held = seen(page, "paint_board")
    page.wait_for_timeout(400)
    while (later := seen(page, "paint_board")) != held:  # a busy machine is still drawing what had been sent
        held = later
        page.wait_for_timeout(400)
    assert 0 < held < 784
    assert held % 28 == 0, "whole rows are held"
    page.wait_for_timeout(600)
    assert seen(page, "paint_board") == held, "nothing is painted while it is held"
    expect(widget(page, "paint_board").get_by_role("slider")).to_have_count(8)
    go_on.click()
    all_painted(page)
    assert {seen(page, "paint_board", picture) for picture in range(8)} == {784}
    expect(stop).to_be_disabled()
    browser.check_console()


def test_a_click_and_arrow_keys_show_what_a_pixel_was_drawn_from(browser: Browser, server: Server) -> None:
    page = browser.open(f"{server.url}/paint?model=asked", wait_for_app=False)
    all_painted(page)
    third = widget(page, "paint_board").get_by_role("slider").nth(2)
    expect(third).to_be_visible()
    box = third.bounding_box()
    assert box is not None
    third.click(position={"x": box["width"] * 3.5 / 28, "y": box["height"] * 20.5 / 28})
    expect(third).to_have_attribute("aria-valuetext", "row 21, column 4")
    figure = widget(page, "paint_levels").locator("canvas")
    expect(figure).to_have_attribute("aria-label", re.compile("^Row 21, column 4: level"))
    third.press("ArrowRight")
    third.press("Shift+ArrowUp")
    expect(figure).to_have_attribute("aria-label", re.compile("^Row 16, column 5: level"))
    widget(page, "paint_before").locator("label").click()
    all_painted(page, pixels=15 * 28 + 4)
    assert seen(page, "paint_board") == 15 * 28 + 4
    browser.check_console()


def test_a_drawn_upper_half_is_completed(browser: Browser, server: Server) -> None:
    page = browser.open(f"{server.url}/paint?model=plain&part=complete", wait_for_app=False)
    all_painted(page)
    widget(page, "paint_source").get_by_text("drawing").click()
    paper = widget(page, "paint_upper").locator(".paper")
    paper.scroll_into_view_if_needed()
    box = paper.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.4, steps=4)
    page.mouse.up()
    all_painted(page)
    middles = (
        widget(page, "paint_board")
        .locator("canvas")
        .evaluate_all("tiles => tiles.map(tile => tile.getContext('2d').getImageData(14, 8, 1, 1).data[0])")
    )
    assert middles == [255] * 8, "each completion begins with what was drawn"
    lower = (
        widget(page, "paint_board")
        .locator("canvas")
        .evaluate_all("tiles => tiles.map(tile => tile.getContext('2d').getImageData(0, 14, 28, 14).data.join())")
    )
    assert len(set(lower)) == 8, "each seed goes on in its own way"
    browser.check_console()


def test_every_part_fits_a_narrow_dark_window(server: Server) -> None:
    with browsing(width=400, height=900, dark=True) as narrow:
        page = narrow.open(f"{server.url}/paint?model=my_mnist_gated_pixelcnn", wait_for_app=False)
        for part, key in (("generate", "paint_board"), ("field", "paint_field"), ("surprise", "paint_surprise")):
            widget(page, "paint_part").get_by_text(t(f"paint.parts.{part}"), exact=True).click()
            all_painted(page, key)
            settle(page, timeout=60_000)
            wide = page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth")
            assert wide <= 400, f"{part} is {wide} pixels wide"
            titles = widget(page, key).locator(".above")
            assert titles.evaluate_all("all => all.filter(one => one.scrollWidth > one.clientWidth).length") == 0
        page.get_by_role("slider").first.wait_for()
        spot = widget(page, "paint_surprise").get_by_role("slider").first
        spot.press("ArrowDown")
        expect(widget(page, "paint_surprise_levels").locator("canvas")).to_have_attribute(
            "aria-label", re.compile("^Row 16, column 15: level .* given")
        )
        narrow.check_console()
