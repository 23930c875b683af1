"""The Data page in a real Chromium: real uploads, the pictures as they are shown, the way to a training."""

from __future__ import annotations

import re
import time
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from genmodels.data.formats.zip_files import UPLOAD
from tests.support.browser import Browser, Server, browsing, settle, widget
from tests.support.hostile_hdf5 import write_hostile_hdf5
from tests.support.picture_files import BLUE, RED, claimed_png, encoded, plain, zipped

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def upload_view(page: Page) -> None:
    widget(page, "data_view").get_by_text("Upload your own").click()
    expect(page.locator('input[type="file"]')).to_be_attached()


def choose(page: Page, *files: Path, title: str) -> None:
    page.locator('input[type="file"]').set_input_files([str(path) for path in files])
    name = widget(page, "data_name").get_by_role("textbox")
    name.fill(title)
    name.press("Enter")
    expect(page.get_by_text("What will be done")).to_be_visible()
    settle(page)


def pack(page: Page) -> None:
    widget(page, "data_pack").get_by_role("button").click()


def tiles(page: Page) -> list[dict[str, object]]:
    expect(widget(page, "data_samples").locator("img").first).to_be_visible()
    page.wait_for_function("[...document.images].every(image => image.complete)")
    found = (
        widget(page, "data_samples")
        .locator("img")
        .evaluate_all("images => images.map(image => ({alt: image.alt, width: image.naturalWidth}))")
    )
    return list(found)


def test_a_set_is_shown_with_its_chart_and_labelled_pictures(browser: Browser, server: Server) -> None:
    page = browser.open(server.url + "/data?data=digits")
    shown = tiles(page)
    assert len(shown) == 48
    assert all(re.fullmatch(r"Picture \d+: \d", str(tile["alt"])) and tile["width"] == 28 for tile in shown)
    expect(widget(page, "data_counts").locator(".bars .point")).to_have_count(20)
    expect(widget(page, "data_means").locator("img")).to_have_count(10)
    widget(page, "data_page").get_by_role("spinbutton").fill("2")
    widget(page, "data_page").get_by_role("spinbutton").press("Enter")
    expect(widget(page, "data_samples").locator("img").first).to_have_attribute("alt", re.compile(r"^Picture 49: "))
    browser.check_console()


@pytest.mark.alone
def test_the_page_opens_quickly(browser: Browser, server: Server) -> None:
    page = browser.open(server.url + "/data")
    tiles(page)
    began = time.monotonic()
    page.reload()
    settle(page)
    tiles(page)
    assert time.monotonic() - began < 4


def test_class_folders_in_a_zip_are_uploaded_packed_and_lead_to_a_training(
    browser: Browser, server: Server, tmp_path: Path
) -> None:
    files = {
        f"{kind}/{number}.png": encoded(plain(colour, (30 + number, 40)))
        for kind, colour in (("cats", RED), ("dogs", BLUE))
        for number in range(15)
    }
    files |= {"cats/text.png": b"this is text", "dogs/bomb.png": claimed_png(13_000, 13_000)}
    page = browser.open(server.url + "/data")
    upload_view(page)
    choose(page, zipped(tmp_path / "pets.zip", files), title="My pets")
    pack(page)
    expect(page.get_by_text("My pets is ready: 30 pictures")).to_be_visible()
    page.get_by_text("Left out, with the reason: 2").click()
    expect(page.get_by_text("cats/text.png: not a PNG")).to_be_visible()
    assert {str(tile["alt"]).split(": ")[1] for tile in tiles(page)} == {"cats", "dogs"}
    expect(page).to_have_url(re.compile(r"data=my-pets"))
    widget(page, "data_train").get_by_role("button").click()
    expect(page.locator("h1").first).to_contain_text("Train")
    expect(widget(page, "train_data").get_by_role("combobox")).to_have_value("My pets (yours)")
    expect(widget(page, "train_start").get_by_role("button")).to_be_enabled()
    browser.check_console()


def test_single_pictures_are_uploaded_and_the_set_deleted(browser: Browser, server: Server, tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.png" for number in range(12)]
    for path in paths:
        path.write_bytes(encoded(plain(RED, (90, 70))))
    page = browser.open(server.url + "/data")
    upload_view(page)
    choose(page, *paths, title="Twelve reds")
    pack(page)
    expect(page.get_by_text("Twelve reds is ready: 12 pictures of 64 x 64")).to_be_visible()
    assert [tile["width"] for tile in tiles(page)] == [64] * 11, "one of twelve is held out"
    widget(page, "data_delete").get_by_role("button").click()
    widget(page, "data_delete_confirm").get_by_role("button").click()
    expect(widget(page, "data_set").get_by_role("combobox")).to_have_value(re.compile("5,000 MNIST digits"))
    browser.check_console()


def test_what_is_hostile_is_refused_with_the_reason(browser: Browser, server: Server, tmp_path: Path) -> None:
    write_hostile_hdf5(tmp_path / "evil.h5", "external storage")
    with zipfile.ZipFile(tmp_path / "many.zip", "w") as archive:
        for number in range(UPLOAD.entries + 1):
            archive.writestr(zipfile.ZipInfo(f"{number}.png"), b"")
    (tmp_path / "fake.zip").write_bytes(b"this is text")
    page = browser.open(server.url + "/data")
    for name, reason in (
        ("evil.h5", "keeps its data in other files"),
        ("many.zip", f"holds {UPLOAD.entries + 1:,} files"),
    ):
        page.reload()
        upload_view(page)
        choose(page, tmp_path / name, title="Evil")
        pack(page)
        expect(page.get_by_text(reason)).to_be_visible()
    page.reload()
    upload_view(page)
    page.locator('input[type="file"]').set_input_files(str(tmp_path / "fake.zip"))
    expect(page.get_by_text("is neither a zip nor an HDF5 file")).to_be_visible()
    page.goto(server.url + "/data?data=evil")
    expect(page.get_by_text("There is no data set called")).to_be_visible()
    browser.check_console()


def test_in_a_narrow_window_nothing_is_wider_than_it(server: Server) -> None:
    with browsing(width=400) as narrow:
        page = narrow.open(server.url + "/data")
        tiles(page)
        assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth") <= 400
        narrow.check_console()
