"""Every tab in a real browser opens with a result; a slider, a stroke and a click change it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from gradio_tabs.components.texts import t
from tests.support.browser import Browser, Server, browsing

pytestmark = [pytest.mark.browser, pytest.mark.slow]

# Translating the example takes seconds, and speech is compiled first; both are tested as endpoints.
QUICK = ("sample", "latent", "interpolation", "arithmetic", "conditional", "reconstruct", "manifold", "stylize")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsing(width=1440) as window:
        yield window


@pytest.fixture
def page(browser: Browser, studio_server: Server) -> Iterator[Page]:
    page = browser.open(f"{studio_server.url}/gradio/", wait_for_app=False)
    page.get_by_role("tab").first.wait_for()
    yield page
    expect(page.locator(".toast-body")).to_have_count(0)
    browser.check_console()


def results(page: Page) -> Locator:
    return page.locator("img[src*='/image.png']:visible")


def test_every_tab_opens_with_a_result(page: Page) -> None:
    for name in QUICK:
        page.get_by_role("tab", name=t(f"{name}.tab"), exact=True).click()
        expect(results(page).first).to_be_visible()


def test_a_slider_changes_the_decoded_image(page: Page) -> None:
    page.get_by_role("tab", name=t("latent.tab"), exact=True).click()
    before = results(page).first.get_attribute("src")
    slider = page.get_by_role("slider").locator("visible=true").first
    slider.focus()
    for _ in range(20):
        slider.press("ArrowRight")
    expect(results(page).first).not_to_have_attribute("src", str(before))


def test_a_drawing_is_classified(page: Page) -> None:
    page.get_by_role("tab", name=t("classify.tab"), exact=True).click()
    shown = page.locator("[data-testid='label-output-value']:visible")
    expect(shown).to_have_text("7")  # the example
    box = page.locator("canvas:visible").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.15 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.85 * box["height"], steps=10)
    page.mouse.up()
    expect(shown).to_have_text("1")


def test_a_click_on_the_latent_plane_is_decoded(page: Page) -> None:
    page.get_by_role("tab", name=t("manifold.tab"), exact=True).click()
    sheet = results(page).first
    expect(results(page)).to_have_count(2)
    before = results(page).nth(1).get_attribute("src")
    sheet.click(position={"x": 40, "y": 40})
    expect(results(page).nth(1)).not_to_have_attribute("src", str(before))
