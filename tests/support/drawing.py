"""Strokes on a canvas of a page, made with the mouse."""

from __future__ import annotations

from playwright.sync_api import Locator, Page, expect

from tests.support.browser import settle, widget

SEVEN = [(0.3, 0.25), (0.7, 0.25), (0.6, 0.45), (0.5, 0.65), (0.45, 0.85)]
_REPORT_MS = 150  # longer than the canvas waits before it reports a stroke


def paper(page: Page, key: str) -> Locator:
    found = widget(page, key).locator(".paper")
    expect(found).to_be_visible()
    return found


def draw(page: Page, points: list[tuple[float, float]], key: str) -> None:
    """A stroke through these points, in fractions of the canvas; returns when its result is shown."""
    paper(page, key).scroll_into_view_if_needed()
    box = paper(page, key).bounding_box()
    assert box is not None
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    page.mouse.move(*places[0])
    page.mouse.down()
    for x, y in places[1:]:
        page.mouse.move(x, y, steps=6)
    page.mouse.up()
    at_rest(page)


def at_rest(page: Page) -> None:
    """Return when the result of the last stroke is shown: during a stroke earlier ones are."""
    page.wait_for_timeout(_REPORT_MS)
    settle(page)
    page.wait_for_timeout(50)
