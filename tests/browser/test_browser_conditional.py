"""The conditional and the compare page in a real Chromium: tables, marks, stars, keyboard, narrow windows."""

from __future__ import annotations

import io
import re
from pathlib import Path
from urllib.parse import quote

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.support.browser import BROKEN_WORDS, Browser, Server, browsing, settle, widget
from tests.support.pages import HOSTILE_MARKDOWN

pytestmark = [pytest.mark.browser, pytest.mark.slow]

_ASKED, _COMPARED = "/conditional?model=cgan", "/compare?models=gan,vae,cgan@0"
_LONG_NAMES = "/compare?models=mnist_vae_20,my_mnist_vae_2d,mnist_gan"


def shown(page: Page, key: str, what: str = "table") -> str:
    """The sheet that a component has drawn; waits for the first one."""
    drawn = widget(page, key).locator(what)
    expect(drawn).to_have_attribute("data-src", re.compile("^data:image/png"))
    return str(drawn.get_attribute("data-src"))


def changed(page: Page, key: str, before: str, what: str = "table") -> str:
    expect(widget(page, key).locator(what)).not_to_have_attribute("data-src", before)
    return shown(page, key, what)


def inks(page: Page, key: str) -> list[int]:
    """Sum of grey values of each picture as the browser has drawn it."""
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


def press(page: Page, key: str) -> None:
    widget(page, key).get_by_role("button").first.click()


# --------------------------------------------------------------------- the conditional page


def test_every_class_is_a_table_with_headings_and_marks(browser: Browser, server: Server) -> None:
    page = browser.open(server.url + _ASKED)
    ink = inks(page, "conditional_every")
    assert len(ink) == 100
    assert len(set(ink)) > 90, "each picture is its own"
    table = widget(page, "conditional_every").locator("table")
    expect(table.locator("thead th[scope=col]")).to_have_text(["seed", *"0123456789"])
    expect(table.locator("tbody th[scope=row]")).to_have_text([str(seed) for seed in range(10)])
    third = table.locator("canvas").nth(23)
    reading = r"Class 3, seed 2\. reads (\d, (> )?\d+\.\d\s%|no digit)$"  # ten steps of training: some are noise
    expect(third).to_have_attribute("aria-label", re.compile(reading))
    said = page.get_by_text(re.compile(r"Class agreement: \d+ of 100")).inner_text()
    right = int(re.findall(r"(\d+) of 100", said)[0])
    expect(table.locator(".mark")).to_have_count(100 - right)
    for cell in table.locator("td.marked").all()[:5]:
        label = str(cell.locator("canvas").get_attribute("aria-label"))
        asked, reads, outside = re.findall(r"Class (\d), .*reads (?:(\d),|(no digit)$)", label)[0]
        mark = cell.locator(".mark").inner_text()
        assert asked != mark
        assert outside or mark == reads, "it names the digit, unless no digit is read"
    browser.check_console()


def test_a_class_a_seed_and_a_step_redraw_what_they_should(browser: Browser, server: Server) -> None:
    page = browser.open(server.url + _ASKED)
    grid, strip = shown(page, "conditional_every"), shown(page, "conditional_strip", ".strip")
    widget(page, "conditional_class").get_by_role("radio", name="3").or_(
        widget(page, "conditional_class").get_by_role("button", name="3", exact=True)
    ).first.click()
    three = changed(page, "conditional_strip", strip, ".strip")
    assert shown(page, "conditional_every") == grid
    press(page, "conditional_more")
    changed(page, "conditional_strip", three, ".strip")
    moved = changed(page, "conditional_every", grid)
    expect(widget(page, "conditional_every").locator("tbody th").first).to_have_text("12")
    slider = widget(page, "conditional_step").get_by_role("slider")
    slider.focus()
    page.keyboard.press("Home")
    changed(page, "conditional_every", moved)
    browser.check_console()


def test_the_way_between_two_classes_keeps_its_ends(browser: Browser, server: Server) -> None:
    page = browser.open(server.url + _ASKED)
    ink = inks(page, "conditional_between")
    assert len(ink) == 48
    every = inks(page, "conditional_every")
    for row in range(4):
        assert abs(ink[12 * row] - every[10 * row + 4]) <= 784, "begins at class 4 of the same seed"
        assert abs(ink[12 * row + 11] - every[10 * row + 9]) <= 784, "ends at class 9"
    for key, kind, frames in (("conditional_between_gif", "GIF", 46), ("conditional_every_png", "PNG", 1)):
        with page.expect_download() as download:
            press(page, key)
        image = Image.open(io.BytesIO(Path(download.value.path()).read_bytes()))
        assert (image.format, getattr(image, "n_frames", 1)) == (kind, frames)
    browser.check_console()


# --------------------------------------------------------------------- the compare page


def test_grids_stand_level_and_the_best_figure_has_the_star(browser: Browser, server: Server) -> None:
    page = browser.open(server.url + _COMPARED)
    pictures = [widget(page, f"compare_grid_{index}").locator("img") for index in range(3)]
    boxes = []
    for index, picture in enumerate(pictures):
        expect(picture).to_have_attribute("alt", re.compile("30 pictures generated by (gan|vae|cgan)"))
        boxes.append(picture.bounding_box() or {})
        assert boxes[index]["width"] > 200
    assert len({round(box["y"]) for box in boxes}) == 1
    table = widget(page, "compare_table").locator("table")
    row = table.locator("tbody tr").filter(has_text="FID (classifier features)")
    expect(row.locator("td")).to_have_text([re.compile(r"60\.0± 2\.0"), re.compile("40.0★best"), "not measured"])
    expect(row.locator("td.best")).to_have_count(1)
    browser.check_console()


def test_a_measure_is_explained_by_keyboard_and_stays_open(browser: Browser, server: Server) -> None:
    page = browser.open(server.url + _COMPARED)
    details = widget(page, "compare_table").locator("details").first
    details.locator("summary").focus()
    page.keyboard.press("Enter")
    expect(details.get_by_role("link")).to_have_attribute("href", "https://arxiv.org/abs/1706.08500")
    expect(details.locator("p")).to_be_visible()
    before = widget(page, "compare_grid_0").locator("img").get_attribute("src") or ""
    press(page, "compare_shuffle")
    expect(widget(page, "compare_grid_0").locator("img")).not_to_have_attribute("src", before)
    expect(widget(page, "compare_table").locator("details").first).to_have_attribute("open", "")
    browser.check_console()


def test_moving_one_step_leaves_the_other_columns_alone(browser: Browser, server: Server) -> None:
    page = browser.open(server.url + "/compare?models=vae,vae")
    images = [widget(page, f"compare_grid_{index}").locator("img") for index in range(2)]
    expect(images[1]).to_have_attribute("src", re.compile("^data:image/png"))
    before = [str(image.get_attribute("src")) for image in images]
    assert before[0] == before[1]
    widget(page, "compare_step_1").get_by_role("slider").focus()
    page.keyboard.press("Home")
    expect(images[1]).not_to_have_attribute("src", before[1])
    assert images[0].get_attribute("src") == before[0]
    page.wait_for_url(re.compile(r"models=vae(,|%2C)vae(@|%40)0"))
    page.reload()
    settle(page)
    expect(widget(page, "compare_grid_0").locator("img")).to_have_attribute("src", before[0])
    expect(widget(page, "compare_grid_1").locator("img")).not_to_have_attribute("src", before[1])
    press(page, "compare_add")
    expect(widget(page, "compare_grid_2").locator("img")).to_have_count(1)
    with page.expect_download() as download:
        press(page, "compare_png")
    image = Image.open(io.BytesIO(Path(download.value.path()).read_bytes()))
    assert image.width > 2 * image.height
    browser.check_console()


# --------------------------------------------------------------------- both


def test_a_strange_name_is_shown_as_it_is_written(server: Server, browser: Browser) -> None:
    assert len(HOSTILE_MARKDOWN) <= 80, "the page shows no more"
    page = browser.open(f"{server.url}/compare?models={quote(HOSTILE_MARKDOWN)}")
    alert = page.get_by_test_id("stAlert")
    expect(alert).to_contain_text("Not found")
    assert HOSTILE_MARKDOWN in alert.inner_text().replace("\u2060", "")
    assert alert.locator("a, img, strong, b, .katex, [role=img][aria-label*=home]").count() == 0
    browser.check_console()


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("address", [_ASKED, _LONG_NAMES])
def test_a_narrow_window_scrolls_only_down(server: Server, address: str, dark: bool) -> None:
    with browsing(width=400, dark=dark) as chrome:
        page = chrome.open(server.url + address)
        if address == _ASKED:
            inks(page, "conditional_every")
            widths = widget(page, "conditional_every").locator("canvas").evaluate_all(
                "tiles => tiles.map(tile => tile.getBoundingClientRect().width)"
            )  # fmt: skip
            assert min(widths) > 26
            nine = widget(page, "conditional_to").get_by_text("9", exact=True).last
            box = nine.bounding_box()
            assert box is not None
            assert box["x"] + box["width"] <= 400, "the last class can be reached"
        else:
            expect(widget(page, "compare_table").locator("tbody tr").first).to_be_visible()
            assert widget(page, "compare_table").locator("thead th").evaluate_all(BROKEN_WORDS) == []
        assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth") <= 400
        chrome.check_console()


def test_digit_models_are_sorted_by_a_heading_and_rows_without_a_value_come_last(
    browser: Browser, server: Server
) -> None:
    page = browser.open(server.url + "/compare?part=families")
    table = widget(page, "compare_families").locator("table")
    expect(table.locator("th[aria-sort]")).to_have_text("FID ▲")
    for direction in ("ascending", "descending"):
        table.get_by_role("button", name="Sort by FID").focus()
        if direction == "descending":
            page.keyboard.press("Enter")
        expect(table.locator("th[aria-sort]")).to_have_attribute("aria-sort", direction)
        texts = table.locator("tbody tr td:nth-child(2) > span:first-child").all_inner_texts()
        known = [float(text.replace(",", "")) for text in texts if text != "\u2013"]
        assert len(known) > 1
        assert known == sorted(known, reverse=direction == "descending")
        assert texts[len(known) :] == ["\u2013"] * (len(texts) - len(known))
    link = table.get_by_role("link", name="mnist_vae_20", exact=True)
    link.click()
    page.wait_for_url("**/evaluate?model=mnist_vae_20")
    browser.check_console()
