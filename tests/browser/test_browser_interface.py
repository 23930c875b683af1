"""What only a browser shows of every page: the window's title, the address after going back, help texts, marks."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from pages.components.address import PARAMETERS
from pages.components.i18n import t
from tests.support.browser import Browser, Server, browser, server_of, settle, widget
from tests.support.painting import SMALL
from tests.support.runs import save_run

__all__ = ["browser"]
pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    root = tmp_path_factory.mktemp("interface")
    save_run(root / "runs", "my_vae", "mnist_vae_2d", "data.name=digits")
    small = ("model.layers=2", "model.levels=8", "model.kernel_size=3")
    save_run(root / "runs", "my_painter", "mnist_pixelcnn", *SMALL, *small)
    folders = {"GENMODELS_RUNS": str(root / "runs"), "GENMODELS_CHECKPOINTS": str(root / "checkpoints"),
               "GENMODELS_DATA": str(root / "data")}  # fmt: skip
    with server_of(folders, root / "server.log") as found:
        yield found


def test_the_window_is_named_after_each_page(browser: Browser, server: Server) -> None:
    page = browser.open(server.url)
    for name in PARAMETERS:
        page.goto(f"{server.url}/{'' if name == 'gallery' else name}")
        settle(page)
        expect(page).to_have_title(f"{t(f'common.nav.{name}')} · Genmodels Studio")
    browser.check_console()


def test_going_back_to_the_gallery_leaves_the_parameters_behind(browser: Browser, server: Server) -> None:
    page = browser.open(server.url)
    widget(page, "gallery_open_my_vae").get_by_role("button").click()
    expect(page).to_have_url(re.compile(r"/manifold\?.*model=my_vae"))
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
    expect(page).to_have_url(re.compile(r"model=my_painter"))
    expect(page).to_have_url(re.compile(r"seed=7"))
    assert "levels=" not in page.url
    browser.check_console()


def test_the_help_of_a_button_goes_with_its_click(browser: Browser, server: Server) -> None:
    page = browser.open(server.url + "/latent?model=my_vae")
    button, content = widget(page, "latent_randomize").get_by_role("button"), page.get_by_test_id("stTooltipContent")
    button.hover()
    expect(content).to_be_visible()
    button.click()
    settle(page)
    expect(content).not_to_be_visible()
    widget(page, "latent_reset").get_by_role("button").hover()
    expect(content.filter(has_text=t("latent.reset_help"))).to_be_visible()
    browser.check_console()
