"""Gallery and latent explorer in a real Chromium, against the real server."""

from __future__ import annotations

import io
import re
import time
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from genmodels.runs.files import write_json
from genmodels.runs.folder import STATUS
from pages.components.i18n import t
from tests.support.browser import Browser, Server, browsing, server_of, settle, widget

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def source(page: Page) -> str:
    """The picture on show; waits for the first one."""
    image = widget(page, "latent_picture").locator("img")
    expect(image).to_have_attribute("src", re.compile("^data:image/png"))
    return str(image.get_attribute("src"))


def changed_from(page: Page, before: str) -> str:
    expect(widget(page, "latent_picture").locator("img")).not_to_have_attribute("src", before)
    return source(page)


def test_a_cold_deep_link_has_its_frame(tmp_path: Path) -> None:
    """Two more are in `test_browser_runs` and `test_browser_training`: each is the first page of its server."""
    with server_of({"GENMODELS_RUNS": str(tmp_path)}) as fresh, browsing(fresh=True) as window:
        page = window.open(f"{fresh.url}/latent?model=mnist_vae_20")
        expect(page.locator("h1").first).to_contain_text("Latent explorer")
        expect(page.get_by_role("link", name="Gallery")).to_be_visible()
        expect(widget(page, "latent_pad").locator("canvas")).to_be_visible()
        window.check_console()


@pytest.mark.alone
def test_dragging_the_pad_redraws_all_the_while(browser: Browser, server: Server) -> None:
    page = browser.open(server.url + "/latent?model=mnist_vae_20")
    box = widget(page, "latent_pad").locator("canvas").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    seen = {source(page)}
    for index in range(30):
        page.mouse.move(x + index * 3, y - index * 2)
        page.wait_for_timeout(60)
        seen.add(source(page))
    assert len(seen) >= 8, f"only {len(seen)} pictures while dragging"
    page.mouse.up()
    # The sliders follow the pad when it is let go.
    expect(widget(page, "latent_axis_0").get_by_role("slider")).to_have_value(re.compile(r"^[12]\.\d+$"))
    browser.check_console()


_CORNER = """canvas => {               // of the images behind the pad: their mean brightness in its upper left part
  const side = canvas.width, size = Math.round(side / 8), start = Math.round(side * 0.1);
  const { data } = canvas.getContext("2d").getImageData(start, start, size, size);
  let sum = 0;
  for (let index = 0; index < data.length; index += 4) sum += data[index] + data[index + 1] + data[index + 2];
  return sum / (size * size);
}"""


def test_the_pad_shows_images_as_soon_as_it_is_at_rest(browser: Browser, server: Server) -> None:
    page = browser.open(server.url + "/latent?model=mnist_vae_20")
    canvas = widget(page, "latent_pad").locator("canvas")

    def settled() -> tuple[float, str]:
        last = None
        for _ in range(40):
            page.wait_for_timeout(400)
            now = canvas.evaluate(_CORNER), canvas.evaluate("canvas => canvas.toDataURL()")
            if now == last:
                return now
            last = now
        raise AssertionError("the pad does not come to rest")

    corner, images = settled()
    assert corner < 3 * 200, "darker than an empty pad"
    slider = widget(page, "latent_axis_5").get_by_role("slider")
    slider.focus()
    slider.press("End")
    other = settled()
    assert other[1] != images, "images of other offsets"
    slider.press("Home")
    slider.press("End")
    assert settled() == other
    browser.check_console()


def test_arrow_keys_move_the_pad(browser: Browser, server: Server) -> None:
    page = browser.open(server.url + "/latent?model=mnist_vae_20")
    before = source(page)
    widget(page, "latent_pad").locator(".pad").focus()
    for _ in range(8):
        page.keyboard.press("Shift+ArrowRight")
    assert changed_from(page, before) != before


def test_the_seed_plane_is_walked(browser: Browser, server: Server) -> None:
    page = browser.open(server.url + "/latent?model=mnist_vae_20")
    before = source(page)
    page.get_by_text("seed plane", exact=True).click()
    pad = widget(page, "latent_pad").locator(".pad")
    expect(pad).to_have_attribute("aria-label", re.compile("seed plane"))
    assert source(page) == before
    box = pad.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] * 0.6, box["y"] + box["height"] * 0.4)
    changed_from(page, before)
    browser.check_console()


def test_a_slider_and_reset_change_the_picture(browser: Browser, server: Server) -> None:
    page = browser.open(server.url + "/latent?model=mnist_vae_20")
    before = source(page)
    widget(page, "latent_axis_1").get_by_role("slider").focus()
    page.keyboard.press("End")
    moved = changed_from(page, before)
    widget(page, "latent_reset").get_by_role("button").first.click()
    assert changed_from(page, moved) == before
    browser.check_console()


def test_a_shared_link_shows_the_same_picture_and_going_back_the_one_before(browser: Browser, server: Server) -> None:
    page = browser.open(server.url + "/latent?model=mnist_vae_20")
    first = source(page)
    widget(page, "latent_randomize").get_by_role("button").first.click()
    random = changed_from(page, first)
    widget(page, "latent_pad").locator(".pad").focus()
    page.keyboard.press("Shift+ArrowRight")
    moved = changed_from(page, random)
    expect(page).to_have_url(re.compile("z=0.5"))
    widget(page, "share").get_by_test_id("stPopoverButton").first.click()
    box = page.get_by_test_id("stPopoverBody")
    link = box.get_by_test_id("stCode").first.inner_text().replace("\n", "").strip()
    expect(box.locator("img")).to_have_attribute("alt", "QR code of the link above.")
    page.keyboard.press("Escape")
    assert link == page.url
    with browsing(fresh=True) as window:
        visitor = window.open(link)
        expect(widget(visitor, "latent_picture").locator("img")).to_have_attribute("src", moved)
    page.go_back()
    assert changed_from(page, moved) == random
    page.go_back()
    assert changed_from(page, random) == first
    browser.check_console()


def test_the_step_slider_of_a_run_goes_back_in_time(browser: Browser, server: Server) -> None:
    page = browser.open(server.url + "/latent?model=my_vae")
    before = source(page)
    widget(page, "latent_step").get_by_role("slider").focus()
    page.keyboard.press("ArrowLeft")
    changed_from(page, before)
    expect(widget(page, "latent_picture").locator("img")).to_have_attribute("alt", re.compile("step 10"))


def test_a_reload_keeps_the_model_of_the_address(browser: Browser, server: Server) -> None:
    page = browser.open(server.url + "/latent?model=my_vae")
    page.reload()
    settle(page)
    expect(widget(page, "latent_model").get_by_role("combobox")).to_have_value(re.compile("my_vae"))
    assert "model=my_vae" in page.url


def test_a_run_whose_training_ends_stays_chosen(browser: Browser, server: Server, studio: Path) -> None:
    """It is called otherwise in the list then, and what a browser sends of a list are its texts."""
    status = studio / "runs" / "my_vae" / STATUS
    write_json(status, {"phase": "training", "heartbeat": time.time() + 600})
    page = browser.open(server.url + "/seeds?model=my_vae")
    chosen = widget(page, "seeds_model").get_by_role("combobox")
    expect(chosen).to_have_value(re.compile(r"my_vae \(still training\)"))
    for phase, words in (("done", "your run"), ("training", "still training")):
        write_json(status, {"phase": phase, "heartbeat": time.time() + 600})
        widget(page, "seeds_randomise").get_by_role("button").first.click()
        expect(chosen).to_have_value(re.compile(rf"my_vae \({words}\)"))
    status.unlink()
    browser.check_console()


def test_the_gallery_leads_to_the_explorer(browser: Browser, server: Server) -> None:
    page = browser.open(server.url + "/?runs=all")
    for image in page.locator('[data-testid="stImage"] img').all():
        assert image.get_attribute("alt")
    widget(page, "gallery_open_my_vae").get_by_role("button").first.click()
    expect(widget(page, "latent_model").get_by_role("combobox")).to_have_value(re.compile("my_vae"))
    assert "/latent?model=my_vae" in page.url
    browser.check_console()


def test_the_gallery_is_found_under_its_name_too(browser: Browser, server: Server) -> None:
    page = browser.open(server.url + "/gallery")
    expect(page).to_have_url(server.url + "/")
    expect(page.get_by_role("heading", level=1)).to_have_text(t("gallery.title"))
    expect(page.get_by_text("Page not found")).to_have_count(0)


def test_picture_and_walk_are_downloaded(browser: Browser, server: Server) -> None:
    page = browser.open(server.url + "/latent?model=my_vae")
    for key, kind, frames in (("latent_png", "PNG", 1), ("latent_gif", "GIF", 64)):
        with page.expect_download() as download:
            widget(page, key).get_by_role("button").first.click()
        image = Image.open(io.BytesIO(Path(download.value.path()).read_bytes()))
        assert image.format == kind
        assert getattr(image, "n_frames", 1) == frames
    browser.check_console()
