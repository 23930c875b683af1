"""The manifold page and the drawing canvas in a real Chromium: clicks, drags, strokes, keys."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from pages.components.i18n import t
from tests.support.browser import Browser, Server, browsing, settle, widget
from tests.support.drawing import SEVEN, at_rest, draw, paper

pytestmark = [pytest.mark.browser, pytest.mark.slow]
_CANVAS = "manifold_canvas"


def picture(page: Page, key: str) -> Locator:
    image = widget(page, key).locator("img").first
    expect(image).to_have_attribute("src", re.compile("^data:image/png"))
    return image


def source(page: Page, key: str) -> str:
    return str(picture(page, key).get_attribute("src"))


def changed(page: Page, key: str, before: str) -> str:
    expect(widget(page, key).locator("img").first).not_to_have_attribute("src", before)
    return source(page, key)


def final(page: Page, key: str) -> str:
    """The picture of the whole stroke: a busy machine still shows one of its parts when the stroke has ended."""
    shown, before = source(page, key), ""
    while shown != before:
        at_rest(page)
        shown, before = source(page, key), shown
    return shown


def test_a_click_anywhere_on_the_scatter_decodes_that_place(browser: Browser, server: Server) -> None:
    page = browser.open(server.url + "/manifold?part=map")
    before = source(page, "manifold_drawn")
    plot = widget(page, "manifold_scatter").locator(".nsewdrag").first
    expect(plot).to_be_visible()
    box = plot.bounding_box()
    assert box is not None
    # The lower left quarter has no dot: an untrained model's codes lie close to the middle.
    page.mouse.click(box["x"] + 0.25 * box["width"], box["y"] + 0.75 * box["height"])
    changed(page, "manifold_drawn", before)
    caption = widget(page, "manifold_drawn").locator("figcaption").inner_text()
    found = re.search(r"\((-?[\d.]+), (-?[\d.]+)\)", caption)
    assert found is not None, caption
    assert float(found[1]) == pytest.approx(-2, abs=0.15)
    assert float(found[2]) == pytest.approx(-2, abs=0.15)
    assert widget(page, "manifold_neighbours").locator("img").count() == 5
    for image in widget(page, "manifold_neighbours").locator("img").all():
        assert re.search(r"class \d", image.get_attribute("alt") or "")
    browser.check_console()


def test_a_click_in_the_legend_hides_a_class(browser: Browser, server: Server) -> None:
    page = browser.open(server.url + "/manifold?part=map")
    entries = widget(page, "manifold_scatter").locator(".legend .traces")
    expect(entries).to_have_count(10)
    entries.nth(3).locator(".legendtoggle").click()
    expect(entries.nth(3)).to_have_css("opacity", "0.5")
    browser.check_console()


@pytest.mark.alone
def test_the_pad_over_the_dots_redraws_all_the_while(browser: Browser, server: Server) -> None:
    page = browser.open(server.url + "/manifold?part=map")
    page.get_by_text("dragging", exact=True).click()
    canvas = widget(page, "manifold_pad").locator("canvas")
    expect(canvas).to_be_visible()
    box = canvas.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    seen = set()
    for index in range(30):
        page.mouse.move(x + index * 4, y - index * 3)
        page.wait_for_timeout(60)
        seen.add(source(page, "manifold_drawn"))
        if len(seen) == 6:
            break
    page.mouse.up()
    assert len(seen) == 6, f"only {len(seen)} pictures while dragging"
    browser.check_console()


def test_the_decoded_pictures_themselves_are_dragged_over(browser: Browser, server: Server) -> None:
    page = browser.open(server.url + "/manifold?part=map&model=my_mnist_vae_2d&mode=images&z=0_0")
    before = source(page, "manifold_drawn")
    pad = widget(page, "manifold_pad").locator("canvas")
    assert pad.evaluate("canvas => canvas.getContext('2d').getImageData(canvas.width / 3, 40, 1, 1).data[3]") == 255
    box = pad.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.75, box["y"] + box["height"] * 0.25, steps=4)
    page.mouse.up()
    assert changed(page, "manifold_drawn", before) != before
    expect(page).to_have_url(re.compile(r"[?&]z=2\.\d+_2\.\d+"))
    browser.check_console()


@pytest.mark.alone
def test_what_is_drawn_is_encoded_while_the_hand_moves(browser: Browser, server: Server) -> None:
    page = browser.open(server.url + "/manifold?part=draw")
    expect(page.get_by_text("Nothing is drawn yet")).to_be_visible()
    box = paper(page, _CANVAS).bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 60, box["y"] + 60)
    page.mouse.down()
    seen = set()
    for index in range(30):
        page.mouse.move(box["x"] + 60 + 5 * index, box["y"] + 60 + 3 * index)
        page.wait_for_timeout(100)
        image = widget(page, "manifold_again").locator("img").first
        if image.count():
            seen.add(image.get_attribute("src"))
        if len(seen) == 4:
            break
    assert len(seen) == 4, f"only {len(seen)} pictures before the stroke ended"
    page.mouse.up()
    expect(widget(page, "manifold_place").locator("img")).to_have_attribute("alt", re.compile("standard deviations"))
    expect(widget(page, "manifold_posterior").locator("img")).to_have_count(5)
    browser.check_console()


def test_undo_and_clear(browser: Browser, server: Server) -> None:
    page = browser.open(server.url + "/manifold?part=draw")
    draw(page, SEVEN, _CANVAS)
    one = final(page, "manifold_again")
    draw(page, [(0.3, 0.55), (0.75, 0.55)], _CANVAS)
    changed(page, "manifold_again", one)
    two = final(page, "manifold_again")
    widget(page, "manifold_canvas").get_by_role("button", name="Undo").click()
    assert changed(page, "manifold_again", two) == one
    widget(page, "manifold_canvas").get_by_role("button", name="Clear").click()
    expect(page.get_by_text("Nothing is drawn yet")).to_be_visible()
    browser.check_console()


def test_the_keyboard_draws(browser: Browser, server: Server) -> None:
    page = browser.open(server.url + "/manifold?part=draw")
    sheet = paper(page, _CANVAS)
    expect(sheet).to_have_attribute("aria-label", re.compile("arrow keys"))
    sheet.focus()
    for _ in range(4):
        page.keyboard.press("ArrowLeft")
    expect(page.get_by_text("Nothing is drawn yet")).to_be_visible()
    page.keyboard.press("Space")
    for key in ("ArrowDown", "ArrowDown", "ArrowRight", "ArrowRight"):
        page.keyboard.press(f"Shift+{key}")
    page.keyboard.press("Space")
    at_rest(page)
    first = source(page, "manifold_again")
    page.keyboard.press("ArrowLeft")  # the brush is up again: moving it draws nothing
    page.keyboard.press("Enter")
    page.keyboard.press("Shift+ArrowDown")
    page.keyboard.press("Enter")
    at_rest(page)
    second = changed(page, "manifold_again", first)
    page.keyboard.press("Backspace")
    assert changed(page, "manifold_again", second) == first
    page.keyboard.press("Delete")
    expect(page.get_by_text("Nothing is drawn yet")).to_be_visible()
    browser.check_console()


def test_a_drawing_outlives_a_look_at_another_part(browser: Browser, server: Server) -> None:
    page = browser.open(server.url + "/manifold?part=draw")
    draw(page, SEVEN, _CANVAS)
    before = source(page, "manifold_again")
    page.get_by_text("The plane", exact=True).click()
    picture(page, "manifold_grid")
    page.get_by_text("Your digit", exact=True).click()
    assert source(page, "manifold_again") == before
    # It is on the canvas, too: drawn on, it stays part of the digit.
    draw(page, [(0.3, 0.55), (0.75, 0.55)], _CANVAS)
    both = changed(page, "manifold_again", before)
    widget(page, "manifold_canvas").get_by_role("button", name="Undo").click()
    expect(widget(page, "manifold_canvas").get_by_role("button", name="Clear")).to_be_enabled()
    assert changed(page, "manifold_again", both)
    widget(page, "manifold_canvas").get_by_role("button", name="Clear").click()
    expect(page.get_by_text("Nothing is drawn yet")).to_be_visible()
    browser.check_console()


def test_a_finger_draws(server: Server) -> None:
    with browsing(width=400) as narrow:
        page = narrow.open(server.url + "/manifold?part=draw")
        box = paper(page, _CANVAS).bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 400
        session = narrow.context.new_cdp_session(page)
        paper(page, _CANVAS).scroll_into_view_if_needed()
        box = paper(page, _CANVAS).bounding_box()
        assert box is not None
        for index in range(12):
            point = {"x": box["x"] + 40 + 12 * index, "y": box["y"] + 40 + 15 * index}
            kind = "touchMove" if index else "touchStart"
            session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [point]})
        session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        picture(page, "manifold_again")
        narrow.check_console()


def test_salt_by_hand_covers_the_digit_and_goes_with_it(browser: Browser, server: Server) -> None:
    page = browser.open(server.url + "/manifold?part=denoise")
    noisy = widget(page, "manifold_noisy").locator("img").nth(1)
    expect(noisy).to_have_attribute("src", re.compile("^data:image/png"))
    before = str(noisy.get_attribute("src"))
    draw(page, [(0.1, 0.1), (0.9, 0.1)], "manifold_salt")
    expect(noisy).not_to_have_attribute("src", before)
    scratched = str(noisy.get_attribute("src"))
    assert widget(page, "manifold_answers").locator("img").count() == 2
    number = widget(page, "manifold_index").get_by_role("spinbutton")
    number.fill("5")
    number.press("Enter")
    expect(noisy).not_to_have_attribute("src", scratched)
    expect(widget(page, "manifold_salt").get_by_role("button", name="Clear")).to_be_disabled()
    number.fill("0")
    number.press("Enter")
    expect(noisy).to_have_attribute("src", before)
    browser.check_console()


def test_two_models_side_by_side(browser: Browser, server: Server) -> None:
    page = browser.open(server.url + "/manifold?part=beside")
    sources = {source(page, f"manifold_{kind}_{side}") for kind in ("grid", "map") for side in ("left", "right")}
    assert len(sources) == 4
    browser.check_console()


def test_the_page_fits_a_narrow_window_in_the_dark(server: Server) -> None:
    last = {  # what a part draws last, and what would be the first to stick out
        "grid": "manifold_grid img[src]",
        "map": "manifold_scatter .nsewdrag",
        "draw": "manifold_canvas .paper",
        "beside": "manifold_map_right img[src]",
        "denoise": "manifold_answers img[src]",
    }
    with browsing(width=400, dark=True) as narrow:
        page = narrow.open(server.url + "/manifold")
        for part, drawn in last.items():
            widget(page, "manifold_part").get_by_text(t(f"manifold.parts.{part}"), exact=True).click()
            expect(page.locator(f".st-key-{drawn}").first).to_be_visible()
            settle(page)
            # A chart is drawn at its own width first, then fitted.
            page.wait_for_function("document.querySelector('[data-testid=stMain]').scrollWidth <= 400")
            for image in page.locator("[class*=st-key-manifold_] img").all():
                assert image.get_attribute("alt"), f"{part}: a picture without a text"
        narrow.check_console()
