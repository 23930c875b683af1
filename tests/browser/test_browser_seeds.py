"""The seeds page in a real Chromium: pictures, charts, chips, keyboard, downloads, both themes, a narrow window."""

from __future__ import annotations

import io
import re
import time
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.support.browser import Browser, Server, browsing, settle, widget

pytestmark = [pytest.mark.browser, pytest.mark.slow]

_SUM = "/seeds?model=mnist_gan&seeds=42,10,30&z=s42 - s10"


def shown(page: Page, key: str) -> str:
    """The sheet that a strip has drawn; waits for the first one."""
    strip = widget(page, key).locator(".strip")
    expect(strip).to_have_attribute("data-src", re.compile("^data:image/png"))
    return str(strip.get_attribute("data-src"))


def changed(page: Page, key: str, before: str) -> str:
    expect(widget(page, key).locator(".strip")).not_to_have_attribute("data-src", before)
    return shown(page, key)


def inks(page: Page, key: str) -> list[int]:
    """Sum of grey values of each tile as the browser has drawn it."""
    shown(page, key)
    found: list[int] = (
        widget(page, key)
        .locator("canvas")
        .evaluate_all(
            "tiles => tiles.map(tile => tile.getContext('2d').getImageData(0, 0, tile.width, tile.height)"
            ".data.reduce((sum, value, index) => index % 4 === 0 ? sum + value : sum, 0))"
        )
    )
    return found


def enter(page: Page, text: str) -> None:
    field = widget(page, "seeds_expression").locator("input")
    field.fill(text)
    field.press("Enter")


def test_both_ways_have_twelve_pictures_with_their_own_words(browser: Browser, server: Server) -> None:
    page = browser.open(server.url + _SUM)
    ink = {kind: inks(page, f"seeds_strip_{kind}") for kind in ("linear", "spherical")}
    assert all(len(tiles) == 12 and min(tiles) > 5_000 for tiles in ink.values())
    assert ink["linear"][0] == ink["spherical"][0]
    assert ink["linear"][5] != ink["spherical"][5]
    tile = widget(page, "seeds_strip_linear").locator("canvas").nth(5)
    expect(tile).to_have_attribute("aria-label", re.compile(r"step 6 of 12\. Norm of z \d\.\d\. reads \d"))
    expect(widget(page, "seeds_strip_linear").locator(".warn").first).to_contain_text("↓")
    expect(widget(page, "seeds_lengths").locator(".scatterlayer .trace")).to_have_count(2)
    browser.check_console()


def test_the_charts_wear_the_theme_s_colours(server: Server) -> None:
    for dark, colour in ((False, "rgb(11, 110, 117)"), (True, "rgb(76, 195, 200)")):
        with browsing(dark=dark) as chrome:
            page = chrome.open(server.url + _SUM)
            line = widget(page, "seeds_lengths").locator(".scatterlayer .js-line").first
            expect(line).to_have_css("stroke", colour)
            chrome.check_console()


def test_an_expression_is_drawn_as_an_equation_and_a_mistake_is_pointed_at(browser: Browser, server: Server) -> None:
    page = browser.open(server.url + _SUM)
    before = shown(page, "seeds_equation")
    assert len(inks(page, "seeds_equation")) == 3
    enter(page, "s42 - s10 + 0.5*s30")
    changed(page, "seeds_equation", before)
    expect(widget(page, "seeds_equation").locator(".sign")).to_have_text(["−", "+ 0.5 ×", "="])  # noqa: RUF001
    expect(widget(page, "seeds_gauge").locator(".textpoint text").first).to_contain_text("this z")
    assert "0.5" in page.url
    enter(page, "s42*s10")
    expect(page.get_by_text("between two seeds")).to_be_visible()
    expect(page.locator('[data-testid="stCode"]')).to_contain_text("s42*s10\n   ^")
    browser.check_console()


def test_seeds_are_added_and_removed_by_keyboard(browser: Browser, server: Server) -> None:
    page = browser.open(server.url + _SUM)
    field = widget(page, "seeds_list").locator("input")
    field.focus()
    page.keyboard.type("123")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"seeds=42(,|%2C)10(,|%2C)30(,|%2C)123"))
    page.keyboard.press("Backspace")
    page.wait_for_url(re.compile(r"seeds=42(,|%2C)10(,|%2C)30(&|$)"))
    before = shown(page, "seeds_strip_linear")
    widget(page, "seeds_pair").get_by_text("10 → 30").click()
    after = changed(page, "seeds_strip_linear", before)
    page.wait_for_url(re.compile(r"pair=2"))
    page.reload()
    settle(page)
    assert shown(page, "seeds_strip_linear") == after != before
    browser.check_console()


def test_renormalising_redraws_and_says_both_lengths(browser: Browser, server: Server) -> None:
    page = browser.open(server.url + _SUM)
    before = shown(page, "seeds_equation")
    widget(page, "seeds_renormalise").locator("label").first.click()
    changed(page, "seeds_equation", before)
    expect(widget(page, "seeds_equation").locator("figcaption").last).to_contain_text("→ 10.0")
    expect(page.get_by_text("the norm is 10.0")).to_be_visible()


def test_the_table_comes_at_one_click(browser: Browser, server: Server) -> None:
    page = browser.open(server.url + _SUM)
    widget(page, "seeds_table").get_by_role("button").first.click()
    assert len(inks(page, "seeds_table_strip")) == 10
    expect(widget(page, "seeds_table_strip").locator(".above").nth(9)).to_have_text("Difference: s10 - s30")
    browser.check_console()


def test_strip_table_and_walk_are_downloaded(browser: Browser, server: Server) -> None:
    page = browser.open(server.url + _SUM)
    widget(page, "seeds_table").get_by_role("button").first.click()
    for key, kind, frames in (("seeds_png", "PNG", 1), ("seeds_gif", "GIF", 48), ("seeds_table_png", "PNG", 1)):
        with page.expect_download() as download:
            widget(page, key).get_by_role("button").first.click()
        image = Image.open(io.BytesIO(Path(download.value.path()).read_bytes()))
        assert (image.format, getattr(image, "n_frames", 1)) == (kind, frames)
    browser.check_console()


def test_a_narrow_window_folds_the_ways_and_scrolls_only_down(server: Server) -> None:
    with browsing(width=400) as chrome:
        page = chrome.open(server.url + _SUM)
        shown(page, "seeds_strip_linear")
        tops = (
            widget(page, "seeds_strip_linear")
            .locator("canvas")
            .evaluate_all("tiles => tiles.map(tile => Math.round(tile.getBoundingClientRect().top))")
        )
        assert len(set(tops)) == 2
        assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth") <= 400
        chrome.check_console()


def test_models_without_and_with_one_dimension(browser: Browser, server: Server) -> None:
    page = browser.open(server.url + "/seeds?model=constant")
    expect(page.get_by_text("Nothing to do here")).to_be_visible()
    page.goto(server.url + "/seeds?model=line&seeds=1,2&z=s1%2Bs2")
    assert len(inks(page, "seeds_equation")) == 3
    browser.check_console()


@pytest.mark.alone
def test_an_expression_answers_within_a_quarter_of_a_second(browser: Browser, server: Server) -> None:
    page = browser.open(server.url + _SUM)
    before = shown(page, "seeds_equation")
    field = widget(page, "seeds_expression").locator("input")
    strip = widget(page, "seeds_equation").locator(".strip")
    times = []
    for seed in range(1, 10):
        field.fill(f"s42 - s{seed}")
        started = time.perf_counter()
        field.press("Enter")
        strip.evaluate(
            "(strip, before) => new Promise(done => { const look = () => strip.dataset.src !== before"
            " ? done() : requestAnimationFrame(look); look(); })",
            before,
        )
        times.append(time.perf_counter() - started)
        before = shown(page, "seeds_equation")
    # The quickest of nine is what the page costs; what else the machine is doing comes on top of the others.
    assert min(times) < 0.25, [f"{1000 * seconds:.0f} ms" for seconds in times]
