"""The classify and the evaluate page in a real Chromium: strokes, charts, a measurement, narrow windows."""

from __future__ import annotations

import re
import time

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import Browser, Server, browsing, settle, widget
from tests.support.drawing import SEVEN, draw
from tests.support.saved_runs import CLASSIFIERS

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def heights(page: Page) -> list[str]:
    return list(
        widget(page, "classify_charts").locator(".fill").evaluate_all("fills => fills.map(fill => fill.style.height)")
    )


def test_a_drawn_digit_gives_each_classifier_a_chart(browser: Browser, server: Server) -> None:
    page = browser.open(server.url + "/classify")
    charts = widget(page, "classify_charts").locator(".plot")
    expect(charts).to_have_count(len(CLASSIFIERS) + 1)  # an example is drawn and classified
    clear = widget(page, "classify_canvas").get_by_role("button", name="Clear")
    clear.click()
    expect(page.get_by_text("Nothing is drawn yet")).to_be_visible()
    expect(clear).to_be_disabled()
    draw(page, SEVEN, key="classify_canvas")
    charts = widget(page, "classify_charts").locator(".plot")
    expect(charts).to_have_count(len(CLASSIFIERS) + 1)  # and the published reference classifier
    for chart in charts.all():
        alt = chart.get_attribute("aria-label") or ""
        assert [int(digit) for digit in re.findall(r"(\d): ", alt)] == list(range(10))
        assert chart.locator(".bar.top").count() == 1
    expect(widget(page, "classify_prepared").locator("img")).to_have_attribute("src", re.compile("^data:image/png"))
    before = heights(page)
    draw(page, [(0.3, 0.55), (0.75, 0.55)], key="classify_canvas")
    assert heights(page) != before
    browser.check_console()


@pytest.mark.alone
def test_the_charts_follow_the_hand(browser: Browser, server: Server) -> None:
    page = browser.open(server.url + "/classify")
    box = widget(page, "classify_canvas").locator(".paper").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 40, box["y"] + 40)
    page.mouse.down()
    seen = set()
    for index in range(30):
        page.mouse.move(box["x"] + 40 + 5 * index, box["y"] + 40 + 4 * index)
        page.wait_for_timeout(100)
        seen.add(tuple(heights(page)))
        if len(seen) == 5:
            break
    page.mouse.up()
    assert len(seen) == 5, f"only {len(seen)} states before the stroke ended"
    browser.check_console()


def test_backquery_and_mistakes_are_drawn(browser: Browser, server: Server) -> None:
    page = browser.open(server.url + "/classify?part=typical&model=my_mnist_mlp_adam")
    for key in ("classify_free", "classify_smooth"):
        expect(widget(page, key).locator("img")).to_have_count(10)
        expect(widget(page, key).locator("img").nth(3)).to_have_attribute("alt", re.compile("Most typical 3"))
    page.get_by_text("Mistakes", exact=True).click()
    expect(widget(page, "classify_confusion").locator(".nsewdrag").first).to_be_visible()
    expect(widget(page, "classify_worst").locator("img")).to_have_count(12)
    browser.check_console()


def test_measuring_shows_how_far_it_is_and_then_the_figures(browser: Browser, server: Server) -> None:
    page = browser.open(server.url + "/evaluate?model=my_gan")  # each step takes seconds: 10,000 samples
    page.get_by_role("button", name="Measure it now").first.click()
    expect(page.get_by_text(re.compile("Measuring step 10"))).to_be_visible()
    expect(page.get_by_role("cell", name="diversity of samples")).to_be_visible(timeout=120_000)
    expect(page.get_by_text(re.compile("Measuring step"))).to_have_count(0)
    browser.check_console()


@pytest.mark.alone
def test_a_measurement_does_not_hold_up_another_visitor(browser: Browser, server: Server) -> None:
    page = browser.open(server.url + "/classify")
    draw(page, SEVEN, key="classify_canvas")
    other = browser.open(server.url + "/evaluate?model=my_gan")  # each step takes seconds: 10,000 samples
    other.get_by_role("button", name="Measure saved steps").first.click()
    expect(other.get_by_text(re.compile("Measuring step"))).to_be_visible()
    page.bring_to_front()
    before = heights(page)
    start = time.monotonic()
    widget(page, "classify_canvas").get_by_role("button", name="Undo").click()
    expect(page.get_by_text("Nothing is drawn yet")).to_be_visible(timeout=5_000)
    assert time.monotonic() - start < 5
    draw(page, SEVEN[1:], key="classify_canvas")
    assert heights(page) != before
    other.get_by_role("button", name="Cancel").click()
    expect(other.get_by_role("button", name="Cancel")).to_have_count(0)
    browser.check_console()


def test_evaluate_draws_the_discriminators_answers_and_pairs(browser: Browser, server: Server) -> None:
    page = browser.open(server.url + "/evaluate?model=my_gan")
    expect(widget(page, "evaluate_scores").locator(".nsewdrag").first).to_be_visible()
    expect(widget(page, "evaluate_nearest").locator("img")).to_have_count(8)
    browser.check_console()


@pytest.mark.parametrize("dark", [False, True])
def test_both_pages_fit_a_narrow_window(server: Server, dark: bool) -> None:
    widest = {  # what a page draws last, and what would be the first to stick out
        "/classify?part=ask": ".st-key-classify_canvas .paper",
        "/classify?part=typical": ".st-key-classify_smooth img",
        "/classify?part=mistakes": ".st-key-classify_confusion .nsewdrag",
        "/evaluate?model=my_gan": ".st-key-evaluate_nearest img",
    }
    with browsing(width=400, dark=dark) as narrow:
        page = narrow.open("about:blank", wait_for_app=False)
        for path, drawn in widest.items():
            page.goto(server.url + path)
            expect(page.locator(drawn).first).to_be_visible()
            settle(page)
            # A chart is drawn at its own width first, then fitted.
            page.wait_for_function("document.querySelector('[data-testid=stMain]').scrollWidth <= 400")
        narrow.check_console()
