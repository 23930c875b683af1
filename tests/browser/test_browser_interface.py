"""What only a browser shows of the frame: the address after going back, help texts."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from pages.components.i18n import t
from tests.support.browser import Browser, Server, settle, widget

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_going_back_to_the_gallery_leaves_the_parameters_behind(browser: Browser, server: Server) -> None:
    page = browser.open(server.url)
    widget(page, "gallery_open_grey").get_by_role("button").click()
    expect(page).to_have_url(re.compile(r"/translate\?.*model=grey"))
    settle(page)
    page.go_back()
    expect(page.locator("h1").first).to_have_text(t("gallery.title"))
    expect(page).to_have_url(f"{server.url}/")
    expect(page.get_by_test_id("stAlert").filter(has_text="no such parameter")).to_have_count(0)
    browser.check_console()


def test_a_report_about_the_address_outlives_the_painting(browser: Browser, server: Server) -> None:
    page = browser.open(server.url + "/paint?model=foo&seed=7&levels=x")
    reports = page.get_by_test_id("stAlert")
    expect(reports.filter(has_text="“foo”")).to_be_visible()
    expect(widget(page, "paint_stop").get_by_role("button")).to_be_disabled()  # the painting has ended
    settle(page)
    expect(reports.filter(has_text="“foo”")).to_be_visible()
    expect(reports.filter(has_text="levels = “x”")).to_be_visible()
    expect(page).to_have_url(re.compile(r"model=asked"))
    expect(page).to_have_url(re.compile(r"seed=7"))
    assert "levels=" not in page.url
    browser.check_console()


def test_the_help_of_a_button_goes_with_its_click(browser: Browser, server: Server) -> None:
    page = browser.open(server.url + "/latent?model=my_mnist_vae_2d")
    button, content = widget(page, "latent_randomize").get_by_role("button"), page.get_by_test_id("stTooltipContent")
    button.hover()
    expect(content).to_be_visible()
    button.click()
    settle(page)
    expect(content).not_to_be_visible()
    widget(page, "latent_reset").get_by_role("button").hover()
    expect(content.filter(has_text=t("latent.reset_help"))).to_be_visible()
    browser.check_console()
