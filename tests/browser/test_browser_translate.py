"""The translate page in a real Chromium: two files, the border by keyboard and by hand, there and back, a download."""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import FilePayload, Page, expect

from tests.support.browser import Browser, Server, browsing, widget
from tests.support.picture_files import encoded
from tests.support.translation import photo

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def given(page: Page, *sizes: tuple[int, int]) -> None:
    widget(page, "translate_source").get_by_role("radio", name="Upload").click()
    files = [FilePayload(name=f"p{size[0]}.png", mimeType="image/png", buffer=encoded(photo(*size))) for size in sizes]
    page.locator('input[type="file"]').set_input_files(files)
    for index in range(len(sizes)):
        expect(widget(page, f"translate_compare_{index}").locator("img.after")).to_have_attribute(
            "src", re.compile("^data:image/"), timeout=30_000
        )


def test_two_files_side_by_side_and_the_way_back(browser: Browser, server: Server) -> None:
    page = browser.open(server.url + "/translate?model=grey")
    given(page, (90, 60), (40, 120))
    first, second = (widget(page, f"translate_compare_{index}") for index in range(2))
    expect(first.locator("img.before")).to_have_attribute("alt", "The picture p90.png, original.")
    expect(second.locator("img.after")).to_have_attribute("alt", "The same picture translated to black on white.")
    frames = [part.locator(".frame").bounding_box() or {} for part in (first, second)]
    more = widget(page, "translate_detail").bounding_box() or {}
    assert more["x"] + more["width"] < frames[0]["x"], "beside the result"
    assert more["y"] < frames[0]["y"] + frames[0]["height"]
    assert frames[0]["width"] / frames[0]["height"] == pytest.approx(1.5, rel=0.05)
    assert frames[1]["width"] / frames[1]["height"] == pytest.approx(1 / 3, rel=0.05)

    border = first.get_by_role("slider", name="Border between p90.png")
    expect(border).to_have_attribute("aria-valuetext", "50 % of the picture shown as black on white")
    border.focus()
    for _ in range(10):
        page.keyboard.press("ArrowLeft")
    expect(border).to_have_attribute("aria-valuetext", "60 % of the picture shown as black on white")
    box = frames[0]
    page.mouse.move(box["x"] + 0.4 * box["width"], box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.8 * box["width"], box["y"] + box["height"] / 2, steps=4)
    page.mouse.up()
    assert int(border.input_value()) == pytest.approx(80, abs=2)
    clip = first.locator("img.after").evaluate("image => getComputedStyle(image).clipPath")
    assert re.search(r"inset\(0(px)? 0(px)? 0(px)? (79|80|81)%\)", clip), clip

    widget(page, "translate_trip").locator("label").first.click()
    trip = widget(page, "translate_trip_0")
    expect(trip.locator("img")).to_have_count(5, timeout=30_000)
    expect(trip.locator("img").last).to_have_attribute("alt", re.compile(r"Mean difference \d\.\d{3}"))
    assert int(border.input_value()) == pytest.approx(80, abs=2), "the border stays where it was put"
    with page.expect_download() as download:
        widget(page, "translate_zip").get_by_role("button").first.click()
    with zipfile.ZipFile(download.value.path()) as packed:
        sizes = {name: Image.open(io.BytesIO(packed.read(name))).size for name in packed.namelist()}
    assert sizes == {"p90-black_on_white.png": (90, 60), "p40-black_on_white.png": (40, 120)}
    assert Path(download.value.suggested_filename).suffix == ".zip"
    browser.check_console()


def test_a_photograph_is_taken_and_translated(browser: Browser, server: Server) -> None:
    page = browser.open(server.url + "/translate?model=grey")
    widget(page, "translate_source").get_by_role("radio", name="Camera").click()
    camera = widget(page, "translate_camera")
    film = camera.locator("video")
    expect(film).to_be_visible(timeout=30_000)
    # The button works as soon as the camera is allowed, but before its first frame it takes a picture of no size.
    page.wait_for_function("film => film.readyState >= 2 && film.videoWidth > 0", arg=film.element_handle())
    camera.get_by_role("button", name="Take Photo").click(timeout=30_000)
    after = widget(page, "translate_compare_0").locator("img.after")
    expect(after).to_have_attribute("src", re.compile("^data:image/"), timeout=60_000)
    expect(widget(page, "translate_compare_0").locator("img.before")).to_have_attribute(
        "alt", "The picture camera.jpg, original."
    )
    with page.expect_download() as download:
        widget(page, "translate_png_0").get_by_role("button").first.click()
    with Image.open(download.value.path()) as kept:
        assert min(kept.size) > 100
        assert np.asarray(kept).std() > 5, "the camera's own picture, and not a black one"
    browser.check_console()


def test_in_a_narrow_dark_window_nothing_is_cut_off(server: Server) -> None:
    with browsing(width=390, height=800, dark=True) as narrow:
        page = narrow.open(server.url + "/translate?model=grey")
        given(page, (900, 300))
        box = widget(page, "translate_compare_0").locator(".frame").bounding_box() or {}
        assert 250 < box["width"] <= 390
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        more = widget(page, "translate_detail").bounding_box() or {}
        assert box["y"] + box["height"] < more["y"], "the result comes before what is changed less often"
        narrow.check_console()
