"""The translate page as Streamlit runs it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from genmodels.errors import GenmodelsError
from genmodels.runs import checkpoint
from genmodels.runs.folder import RunFolder
from genmodels.service import translate
from genmodels.service.large_images import ImageFile
from genmodels.service.translate import TranslationRequest
from pages.components import assets
from tests.support.pages import controls_without_help, open_page, page_text, visible
from tests.support.picture_files import RED, encoded, plain
from tests.support.translation import photo
from tests.support.translation import runs as runs


def page(**query: str) -> AppTest:
    return open_page("translate", **query)


def files(app: AppTest, *uploads: tuple[str, bytes]) -> AppTest:
    app.segmented_control(key="translate_source").set_value("upload").run()
    return app.file_uploader(key="translate_upload").set_value([(*file, "image/png") for file in uploads]).run()


def test_without_a_model_the_page_says_how_to_get_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENMODELS_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("GENMODELS_CHECKPOINTS", str(tmp_path / "checkpoints"))
    app = page()
    assert "horse2zebra_projected_128" in app.info[0].value
    assert not app.selectbox


def test_several_files_of_which_one_is_bad(runs: Path) -> None:
    app = page(model="colour")
    app.segmented_control(key="translate_source").set_value("upload").run()
    assert "Drop one or more photographs" in page_text(app)
    files(app, ("one.png", encoded(photo(50, 40))), ("bad_*.png", b"text"), ("two.png", encoded(photo(64, 64))))
    assert not app.exception
    assert [error.value for error in app.error] == [
        r"**bad\_\*.png:** not a PNG, JPEG, WEBP, BMP, GIF, TIFF or AVIF picture; save it as one of these"
    ]
    assert "one.png · 50 x 40 pixels, translated at 40 x 32 and enlarged" in page_text(app)
    assert "two.png · 64 x 64 pixels" in page_text(app)
    keys = [button.key for button in app.get("download_button")]
    assert keys == ["translate_png_0", "translate_png_2", "translate_zip"]
    assert app.get("download_button")[2].label == "All 2 as a zip"


def test_what_hangs_does_not_hide_the_pictures_after_it(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    translated = translate.translate

    def hanging(asked: TranslationRequest, upload: ImageFile, on_progress: Any = None) -> translate.Translation:
        if upload.name == "one.png":
            raise GenmodelsError("no picture after 60 s: the machine is overloaded; stop a training")
        return translated(asked, upload, on_progress)

    monkeypatch.setattr(translate, "translate", hanging)
    app = files(page(model="colour"), ("one.png", encoded(photo(50, 40))), ("two.png", encoded(photo(64, 64))))
    assert "no picture after 60 s" in app.error[0].value
    assert "two.png · 64 x 64 pixels" in page_text(app)


def test_a_kinds_name_is_no_markdown(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(translate, "domains", lambda info: ("*black*", "[white](http://x)"))
    app = page(model="grey")
    app.segmented_control(key="translate_source").set_value("example").run()
    index = app.number_input(key="translate_index")
    assert r"\*black\*" in index.label
    assert r"\*black\*" in index.help


def test_every_control_has_a_help_text(runs: Path) -> None:
    app = files(page(model="colour"), *[(f"{name}.png", encoded(photo(50, 40))) for name in ("one", "two")])
    controls = {"selectbox", "select_slider", "button_group", "file_uploader", "toggle", "download_button"}
    assert controls_without_help(app, controls) == []
    app.selectbox(key="translate_model").select("grey").run()
    app.segmented_control(key="translate_source").set_value("example").run()
    assert controls_without_help(app, {"number_input", "button"}) == []
    app.segmented_control(key="translate_source").set_value("camera").run()
    assert controls_without_help(app, {"camera_input"}) == []


def test_more_files_than_are_translated(runs: Path) -> None:
    one = encoded(plain(RED, (8, 8)))
    app = files(page(model="colour"), *[(f"{number}.png", one) for number in range(13)])
    assert "13 pictures were given; the first 12 are translated" in app.warning[0].value
    assert len([button for button in app.get("download_button") if "png" in str(button.key)]) == 12


def test_directions_steps_and_the_way_back(runs: Path) -> None:
    app = files(page(model="colour"), ("one.png", encoded(photo(50, 40))))
    assert app.segmented_control(key="translate_direction").options == ["daisy to sunflower", "sunflower to daisy"]
    app.segmented_control(key="translate_direction").set_value("a_to_b").run()
    app.toggle(key="translate_trip").set_value(True).run()
    upload = ImageFile("one.png", encoded(photo(50, 40)))
    error = translate.cycle(TranslationRequest(model="colour", step=10), upload).error
    assert f"Cycle error {error:.3f}" in page_text(app)
    app.segmented_control(key="translate_direction").set_value("b_to_a").run()
    other = translate.cycle(TranslationRequest(model="colour", step=10, direction="b_to_a"), upload).error
    assert other != error
    assert f"Cycle error {other:.3f}" in page_text(app)
    app.select_slider(key="translate_step").set_value(0).run()
    early = translate.cycle(TranslationRequest(model="colour", step=0, direction="b_to_a"), upload).error
    assert f"Cycle error {early:.3f}" in page_text(app)
    assert not app.error


def test_a_run_that_learns_on_is_shown_at_its_newest_step(runs: Path) -> None:
    app = page(model="colour")
    assert app.select_slider(key="translate_step").value == 10
    folder = RunFolder(runs / "colour")
    checkpoint.save(folder, 20, checkpoint.build(folder.spec().model_dump(mode="json")))
    app.run()
    assert app.select_slider(key="translate_step").value == 20
    app.select_slider(key="translate_step").set_value(0).run()
    checkpoint.save(folder, 30, checkpoint.build(folder.spec().model_dump(mode="json")))
    app.run()
    assert app.select_slider(key="translate_step").value == 0, "chosen, so it stays"


def test_test_pictures_where_the_data_is_and_a_word_where_it_is_not(runs: Path) -> None:
    app = page(model="grey")
    assert app.segmented_control(key="translate_source").options == ["Upload", "Camera", "Test picture"]
    assert "test-0.png · 28 x 28 pixels" in page_text(app), "the page opens with one"
    app.number_input(key="translate_index").set_value(250).run()
    assert "0 to 249" in visible(" ".join(entry.value for entry in app.error))
    app.number_input(key="translate_index").set_value(7).run()
    assert "test-7.png · 28 x 28 pixels" in page_text(app)
    app.selectbox(key="translate_model").select("colour").run()
    app.segmented_control(key="translate_source").set_value("example").run()
    assert "The data that the model was trained on** is not on this machine" in page_text(app)
    assert "There is no test picture to show" in page_text(app), "a run has no stored results"
    assert not app.error
    app.segmented_control(key="translate_source").set_value("camera").run()
    assert "Take a photograph at the left" in page_text(app)


def test_the_page_opens_with_a_bundled_photograph(runs: Path) -> None:
    app = page(model="colour")
    assert app.segmented_control(key="translate_source").value == "bundled"
    assert app.segmented_control(key="translate_direction").value == "b_to_a", "a dahlia is more like a sunflower"
    assert "dahlia.jpg · 640 x 427 pixels" in page_text(app)
    assert assets.asset("dahlia.jpg").credit() in [entry.value for entry in app.caption]
    app.selectbox(key="translate_bundled").select("pagoda.jpg").run()
    assert "pagoda.jpg · 640 x 427 pixels" in page_text(app)
    assert assets.asset("pagoda.jpg").credit() in [entry.value for entry in app.caption]
    app.selectbox(key="translate_model").select("grey").run()
    assert app.segmented_control(key="translate_direction").value == "a_to_b"
    assert "test-0.png" in page_text(app), "the model has other domains, so the photograph does not stay"
    files(app, ("one.png", encoded(photo(50, 40))))
    app.selectbox(key="translate_model").select("colour").run()
    assert app.segmented_control(key="translate_source").value == "upload", "what a visitor brought stays"
    assert not app.error


def test_without_its_data_the_published_horse_model_shows_what_it_stores(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GENMODELS_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("GENMODELS_RUNS", str(tmp_path / "runs"))
    app = page(model="horse2zebra_projected_128")
    assert "ImageNet's photographs: non-commercial research" in visible(page_text(app))
    assert "Stored results, until you choose a photograph" in page_text(app)
    assert app.button(key="translate_get_horse2zebra").label == "Get Horses and zebras (117 MB)"
    assert controls_without_help(app, {"button", "button_group"}) == []
    app.button(key="translate_bring").click().run()
    assert app.segmented_control(key="translate_source").value == "upload"
    assert app.file_uploader(key="translate_upload")
    app.segmented_control(key="translate_source").set_value("bundled").run()
    assert "None of these is of domain “horse” or “zebra”" in page_text(app)
    assert not app.error


def test_the_gallery_leads_here(runs: Path) -> None:
    app = open_page("gallery")
    assert "Image translation" not in [entry.value for entry in app.header], "only published ones have a heading"
    assert app.button(key="gallery_open_colour").label == "Translate a photograph"
    app.button(key="gallery_open_colour").click().run()
    assert app.title[0].value == "Translate"
    assert app.selectbox(key="translate_model").value == "colour"
