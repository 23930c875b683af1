"""axe-core in a page: the accessibility rules that it violates."""

from __future__ import annotations

from playwright.sync_api import Page

from tests.support.browser import settle

_RUN = """() => axe.run({resultTypes: ["violations"]}).then(result => result.violations.map(
  ({id, nodes}) => [id, nodes.map(({html, failureSummary}) => failureSummary + " " + html.slice(0, 200))]))"""


def violations(page: Page) -> dict[str, list[str]]:
    """The rules that what `page` shows now violates: for each, the elements and what is wrong with them."""
    from axe_playwright_python.base import AXE_SCRIPT  # 0.6 MB, read at the import

    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    return dict(page.evaluate(_RUN))


# Streamlit renders its elements in the new theme one after another: whether none has changed since the last look.
_SWITCHED = """scheme => {
  const colours = [...document.querySelectorAll("[data-testid=stApp] :is(p, strong, input, button)")].map(
    element => getComputedStyle(element).color).join(), same = colours === window.coloursBefore;
  window.coloursBefore = colours;
  return same && getComputedStyle(document.querySelector("[data-testid=stApp]")).colorScheme === scheme;
}"""


def switch_theme(page: Page, *, dark: bool) -> None:
    """Show the dark or the light theme, as a visitor's system selects it, and wait until all texts have its colours."""
    page.emulate_media(color_scheme="dark" if dark else "light")
    page.wait_for_function(_SWITCHED, arg="dark" if dark else "light", polling=250)
    settle(page)
