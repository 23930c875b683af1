"""Every page: no accessibility rule violated in both themes, four widths, the window's title, the marked section."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from pages.components.address import PARAMETERS
from pages.components.i18n import t
from tests.support.accessibility import switch_theme, violations
from tests.support.browser import Browser, Server, browsing, server_of, settle

pytestmark = [pytest.mark.browser, pytest.mark.slow]

_BARE = Path(__file__).parents[1] / "support" / "bare"
_FLAGS = ["--server.headless=true", "--server.fileWatcherType=none", "--browser.gatherUsageStats=false"]
# A bare page may violate them too, but the studio's may not: contrast of 4.5:1, headings in order.
_NEVER = {"color-contrast", "heading-order"}
_PAGES = ("gallery", *(name for name in PARAMETERS if name != "gallery"))
_HALVES = (_PAGES[: len(_PAGES) // 2], _PAGES[len(_PAGES) // 2 :])  # two tests, so that two processes share them


@pytest.fixture(scope="module")
def tolerated(chromium_process: None, tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The rules that a page of Streamlit's widgets alone violates."""
    log = tmp_path_factory.mktemp("bare") / "log"
    with server_of({}, log, arguments=_FLAGS, root=_BARE) as server, browsing() as window:
        page = window.open(server.url)
        page.get_by_test_id("stPlotlyChart").wait_for()
        return set(violations(page)) - _NEVER


@pytest.mark.parametrize("names", _HALVES, ids=["first", "second"])
def test_no_page_violates_a_rule_that_streamlit_does_not(
    browser: Browser, server: Server, tolerated: set[str], names: tuple[str, ...]
) -> None:
    page, found = browser.open(server.url), []
    for place, name in enumerate(names):
        _go_to(page, name)
        for dark in (bool(place % 2), not place % 2):  # starts with the theme in which the page before ended
            switch_theme(page, dark=dark)
            for rule, elements in _lasting(page, tolerated).items():
                found += [f"{name}, {'dark' if dark else 'light'}: {rule}: {element}" for element in elements]
        found += [f"{name}: wider than {width} pixels" for width in _too_narrow(page)]
    assert not found, "\n".join(found)
    browser.check_console()


def _lasting(page: Page, tolerated: set[str]) -> dict[str, list[str]]:
    """The violations that the page still has after 10 seconds: what is computed again is pale meanwhile."""
    for _ in range(20):
        found = {rule: elements for rule, elements in violations(page).items() if rule not in tolerated}
        if not found:
            break
        page.wait_for_timeout(500)
    return found


def _too_narrow(page: Page) -> list[int]:
    """The widths of windows at which the page has to be scrolled sideways."""
    size, result = page.viewport_size, []
    assert size is not None
    for width in (390, 820, 1920):
        page.set_viewport_size({**size, "width": width})
        page.wait_for_timeout(200)
        if page.get_by_test_id("stMain").evaluate("main => main.scrollWidth > main.clientWidth"):
            result.append(width)
    page.set_viewport_size(size)
    page.get_by_test_id("stTopNav").wait_for()
    return result


def _go_to(page: Page, name: str) -> None:
    """Choose the page in the navigation; the window is named after it, and its section alone is marked."""
    link = page.locator(f'a[href$="/{"" if name == "gallery" else name}"]').first
    section = page.get_by_test_id("stTopNavLink")
    for candidate in page.get_by_test_id("stTopNavSection").all() if name != "gallery" else []:
        if not link.is_visible():
            section = candidate
            section.click()
            page.wait_for_timeout(100)
    link.click()
    expect(page).to_have_title(f"{t(f'common.nav.{name}')} · Genmodels Studio")
    expect(page.locator("h1")).to_have_text(t(f"{name}.title"))
    settle(page)
    entries = page.locator('[data-testid="stTopNav"] :is(a, button)')
    marked = entries.evaluate_all(
        "entries => entries.filter(entry => getComputedStyle(entry).boxShadow !== 'none').map(entry => entry.innerText)"
    )
    assert marked == [section.inner_text()]
