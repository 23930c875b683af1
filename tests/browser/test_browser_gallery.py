"""The gallery's map in a real Chromium: it moves by itself, follows a drag and keys, and leads to the explorer."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from benchmarks.first_page import bytes_of
from tests.support.browser import browsing, server_of, settle, widget

pytestmark = [pytest.mark.browser, pytest.mark.slow]
_MAX_BYTES, _MAX_HEIGHT = 600_000, 2_500


def pixels(canvas: Locator) -> str:
    return str(canvas.evaluate("canvas => canvas.toDataURL()"))


def test_the_map_moves_until_it_is_touched_and_then_follows(tmp_path: Path) -> None:
    with server_of({"GENMODELS_RUNS": str(tmp_path)}) as server, browsing(width=1440, fresh=True) as window:
        page = window.context.new_page()
        page.set_viewport_size({"width": 1440, "height": 900})
        received = bytes_of(page)
        page.goto(server.url)
        settle(page)
        hero = widget(page, "gallery_hero")
        pad, digit = hero.get_by_role("slider"), hero.locator("canvas.digit")
        before = pixels(digit)
        page.wait_for_timeout(500)
        assert pixels(digit) != before, "it moves without a touch"

        page.wait_for_load_state("networkidle")
        assert 100_000 < received() < _MAX_BYTES
        main = page.get_by_test_id("stMain")
        assert main.evaluate("element => element.scrollHeight") < _MAX_HEIGHT
        for image in page.locator('[data-testid="stImage"] img').all():
            assert image.get_attribute("alt")

        box = pad.bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        page.mouse.down()
        expect(pad).to_have_attribute("aria-valuetext", "z1 0.00, z2 0.00")
        page.mouse.move(box["x"] + 0.75 * box["width"], box["y"] + box["height"] / 4, steps=4)
        page.mouse.up()
        expect(pad).to_have_attribute("aria-valuetext", re.compile(r"z1 0\.7\d, z2 0\.7\d"))
        dragged = pixels(digit)
        page.wait_for_timeout(300)
        assert pixels(digit) == dragged, "it stays where it is let go"
        page.keyboard.press("Shift+ArrowLeft")
        expect(pad).to_have_attribute("aria-valuetext", re.compile(r"z1 0\.5\d, z2 0\.7\d"))
        assert pixels(digit) != dragged

        hero.get_by_role("button", name="Play").click()
        resumed = pixels(digit)
        page.wait_for_timeout(300)
        assert pixels(digit) != resumed
        hero.get_by_role("button", name="Pause").click()
        hero.get_by_role("button", name="Explore").click()
        expect(page).to_have_url(re.compile(r"/latent\?.*model=mnist_vae_2d_deep"))
        place = dict(re.findall(r"(z|truncation)=([-\d._]+)", page.url))
        assert re.fullmatch(r"-?\d\.\d+_-?\d\.\d+", place["z"]), page.url
        assert float(place["truncation"]) == 0

        page.emulate_media(reduced_motion="reduce")
        page.goto(server.url)
        settle(page)
        still = pixels(digit)
        page.wait_for_timeout(300)
        assert pixels(digit) == still, "nothing moves for a visitor who does not want it"
        page.locator(".st-key-gallery_entry_training").click(position={"x": 60, "y": 40})
        expect(page).to_have_url(re.compile(r"/train\?.*recipe=mnist_vae_2d"))
        window.check_console()
