"""The stylize page as Streamlit runs it: what it says where something is missing, its settings, and jobs it starts."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

import train_jobs
from genmodels.runs.folder import RunFolder
from genmodels.service import stylize
from genmodels.training import runner
from pages.components import assets
from tests.support.pages import controls_without_help, open_page, page_text
from tests.support.picture_files import RED, encoded, plain
from tests.support.stylizing import offer, save_networks
from tests.support.translation import photo
from train_jobs import api, submission
from train_jobs.store import Store


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No networks, no pictures, and jobs that are queued but never started: what a worker does is tested elsewhere."""
    monkeypatch.setenv("GENMODELS_CHECKPOINTS", str(tmp_path / "checkpoints"))
    monkeypatch.setenv("GENMODELS_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("GENMODELS_RUNS", str(tmp_path / "runs"))
    monkeypatch.setattr(api, "ensure_scheduler", lambda: None)
    return tmp_path / "runs"


def slide(app: AppTest, **values: float) -> AppTest:
    for name, value in values.items():
        app.select_slider(key=f"stylize_{name}").set_value(value)
    return app.run()


def begin(app: AppTest) -> RunFolder:
    app.button(key="stylize_begin").click().run()
    assert not app.exception
    (job,) = train_jobs.jobs()
    return job.folder


def test_the_page_opens_with_bundled_pictures_ready_to_start(runs: Path) -> None:
    app = open_page("stylize")
    told = page_text(app)
    assert "No fast network yet" in told
    assert "Nothing is running yet" in told
    assert "A stored example, until you start a run" in told
    assert app.selectbox(key="stylize_content_pick").value == "pagoda.jpg"
    assert app.selectbox(key="stylize_style_pick").value == "starry_night_google.jpg"
    captions = [entry.value for entry in app.caption]
    for file in ("pagoda.jpg", "starry_night_google.jpg"):
        assert assets.asset(file).credit() in captions
    assert not app.error
    slide(app, size=64, iterations=20)
    folder = begin(app)
    assert folder.spec().run.name == "pagoda like starry_night_google"
    with (
        Image.open(folder.path / "inputs" / "content.png") as copied,
        Image.open(assets.FOLDER / "pagoda.jpg") as whole,
    ):
        assert copied.width / copied.height == pytest.approx(whole.width / whole.height, rel=0.02)
    assert "A stored example" not in page_text(app)


def test_a_users_own_works_come_first_and_replace_bundled_ones(runs: Path, tmp_path: Path) -> None:
    offer(tmp_path / "data", "boston", "the_scream")
    app = open_page("stylize")
    paintings = app.selectbox(key="stylize_style_pick").options
    assert paintings[0] == "The Scream, Edvard Munch, 1893"
    assert len(paintings) == 3, "the bundled scream is not offered too"
    assert app.selectbox(key="stylize_content_pick").options[:2] == ["Boston, the harbour", "A pagoda in Beijing"]
    captions = [entry.value for entry in app.caption]
    assert assets.asset("the_scream.jpg").credit() not in captions, "the file shown is the user's"


def test_a_file_that_is_no_picture_is_refused_by_name(runs: Path, tmp_path: Path) -> None:
    offer(tmp_path / "data", "the_scream")
    app = open_page("stylize")
    app.segmented_control(key="stylize_content_source").set_value("upload").run()
    app.file_uploader(key="stylize_content_upload").set_value([("bad_*.png", b"text", "image/png")]).run()
    assert [error.value for error in app.error] == [
        r"**bad\_\*.png:** not a PNG, JPEG, WEBP, BMP, GIF, TIFF or AVIF picture; save it as one of these"
    ]
    assert app.button(key="stylize_begin").disabled
    good = ("good.png", encoded(photo(40, 30)), "image/png")
    app.file_uploader(key="stylize_content_upload").set_value([good]).run()
    assert not app.error
    assert not app.button(key="stylize_begin").disabled


def test_mixtures_move_the_sliders_and_sliders_leave_the_mixture(runs: Path) -> None:
    app = open_page("stylize")
    assert app.segmented_control(key="stylize_preset").value == "balanced"
    app.segmented_control(key="stylize_preset").set_value("strong").run()
    assert app.select_slider(key="stylize_style_weight").value == stylize.PRESETS["strong"]["style_weight"]
    slide(app, style_relu2_1=5.0)
    assert app.segmented_control(key="stylize_preset").value is None
    assert app.select_slider(key="stylize_style_weight").value == 10.0, "what was set before stays"
    app.segmented_control(key="stylize_preset").set_value("colours").run()
    assert app.select_slider(key="stylize_style_relu2_1").value == 1.0
    assert app.selectbox(key="stylize_colour").value == "luminance"
    assert not app.exception


@pytest.mark.slow
def test_the_button_starts_a_job_with_the_visitors_pictures(runs: Path, tmp_path: Path) -> None:
    offer(tmp_path / "data", "boston", "the_scream")
    app = open_page("stylize")
    slide(app, size=64, iterations=20, content_relu2_2=2.0, tv_weight=0.2)
    folder = begin(app)
    spec = folder.spec()
    assert {name: spec.model[name] for name in ("content_relu2_2", "tv_weight", "style_weight")} == {
        "content_relu2_2": 2.0, "tv_weight": 0.2, "style_weight": 1.0,
    }  # fmt: skip
    assert (spec.train.max_steps, spec.run.name) == (20, "boston like the_scream")
    with Image.open(folder.path / "inputs" / "content.png") as copied:
        wanted = photo(60, 48)
        assert copied.size == wanted.size
        assert np.array_equal(np.asarray(copied), np.asarray(wanted))
    assert app.query_params["run"] == folder.name
    assert "The image appears as soon as the run has begun" in page_text(app)
    again = open_page("stylize", run=folder.name)
    assert r"boston like the\_scream" in page_text(again), "the address leads back to it"
    assert again.button(key="runs_stop")


def test_a_picture_too_narrow_to_be_painted_is_a_message_and_no_job(runs: Path, tmp_path: Path) -> None:
    offer(tmp_path / "data", "the_scream")
    app = open_page("stylize")
    app.segmented_control(key="stylize_content_source").set_value("upload").run()
    narrow = ("narrow.png", encoded(photo(200, 40)), "image/png")
    app.file_uploader(key="stylize_content_upload").set_value([narrow]).run()
    slide(app, size=64)
    app.button(key="stylize_begin").click().run()
    assert "at least 16 are needed" in app.error[0].value
    assert "/" not in app.error[0].value, "no path of this machine"
    assert train_jobs.jobs() == ()


def test_a_finished_painting_can_be_gone_back_through(runs: Path, tmp_path: Path) -> None:
    offer(tmp_path / "data", "boston", "the_scream")
    job = train_jobs.submit_pair(
        encoded(photo(40, 32)), encoded(plain(RED, (32, 32))),
        assignments=["data.size=32", "train.max_steps=4", "train.preview_every=2", "train.precision=fp32",
                     "train.compile=off", "run.threads=1", "model.style_relu4_1=0", "model.style_relu5_1=0",
                     "model.content_relu4_2=0", "model.content_relu2_2=1"],
    )  # fmt: skip
    store = Store()
    assert store.claim(job.id, "cpu")
    assert runner.train_folder(job.folder, device="cpu") == "finished"
    assert store.finish(job.id, None, "SUCCEEDED", 0, None)
    app = open_page("stylize", run=job.id)
    slider = app.select_slider(key="stylize_canvas_step")
    assert (list(slider.options), slider.value) == (["0", "2", "4"], 4)
    slider.set_value(2).run()
    assert app.select_slider(key="stylize_canvas_step").value == 2
    assert app.get("download_button")[0].key == "stylize_canvas_png"
    assert "Content 0: exactly" in page_text(app)
    assert not app.error


def test_weights_of_a_running_painting_can_be_turned(runs: Path, tmp_path: Path) -> None:
    offer(tmp_path / "data", "boston", "the_scream")
    paths = [tmp_path / "data" / "style_images" / f"{name}.png" for name in ("boston", "the_scream")]
    spec = train_jobs.make_spec(
        stylize.RECIPE, None, [f"data.path={paths[0]}", f"data.path_b={paths[1]}", "data.size=64"]
    )
    job_id = submission.enter(spec, running=("cpu", os.getpid(), psutil.Process().create_time()))
    folder = train_jobs.job(job_id).folder
    folder.write_status(phase="training", step=3, max_steps=300, device="cpu", error=None)
    app = open_page("stylize", run=job_id)
    slide(app, style_weight=10.0, content_relu2_2=0.5)
    app.selectbox(key="stylize_optimizer").select("adam").run()
    app.button(key="stylize_update").click().run()
    assert not app.exception
    asked = {line["path"]: line["value"] for line in folder.requests(0)[0]}
    assert asked == {"model.style_weight": 10.0, "model.content_relu2_2": 0.5}, "an optimizer cannot be exchanged"


def test_a_run_that_is_not_there_is_said_to_be_gone(runs: Path) -> None:
    app = open_page("stylize", run="style_transfer-99")
    assert r"no run called style\_transfer-99" in app.warning[0].value
    assert "Nothing is running yet" in page_text(app)


def test_fast_networks_answer_for_the_photograph(runs: Path, tmp_path: Path) -> None:
    save_networks(tmp_path, "fast", "other")
    offer(tmp_path / "data", "the_scream", "boston")
    app = open_page("stylize", model="other")
    assert app.multiselect(key="stylize_networks").value == ["other"], "as the address asks"
    app.multiselect(key="stylize_networks").set_value(["fast", "other"]).run()
    keys = [button.key for button in app.get("download_button")]
    assert keys == ["stylize_png_fast", "stylize_png_other"]
    assert "fast · 32 x 24 pixels, reduced from 64 x 48" in page_text(app)
    app.multiselect(key="stylize_networks").set_value([]).run()
    assert "Choose a network" in page_text(app)
    unknown = open_page("stylize", model="nobody")
    assert "no network called “nobody”" in unknown.warning[0].value
    assert len(unknown.multiselect(key="stylize_networks").value) == 2


def test_every_control_has_a_help_text(runs: Path, tmp_path: Path) -> None:
    save_networks(tmp_path, "fast")
    offer(tmp_path / "data", "the_scream", "boston")
    app = open_page("stylize")
    controls = {"selectbox", "select_slider", "multiselect", "button", "button_group", "download_button"}
    assert controls_without_help(app, controls) == []
    app.segmented_control(key="stylize_style_source").set_value("upload").run()
    assert controls_without_help(app, {"file_uploader"}) == []
    app.segmented_control(key="stylize_content_source").set_value("camera").run()
    assert controls_without_help(app, {"camera_input"}) == []


def test_a_public_server_paints_at_once_and_not_slowly(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_networks(tmp_path, "fast")
    offer(tmp_path / "data", "boston")
    monkeypatch.setenv("GENMODELS_PUBLIC", "1")
    app = open_page("stylize")
    assert "switched off on this public server" in page_text(app)
    assert [button.key for button in app.button] == []
    assert not app.select_slider(key="stylize_longest").disabled
    assert [button.key for button in app.get("download_button")] == ["stylize_png_fast"]
    assert "32 x 26 pixels, reduced from 60 x 48" in page_text(app), "the scale of training by default"
    app.select_slider(key="stylize_longest").set_value(256).run()
    assert "fast · 60 x 48 pixels" in page_text(app)


def test_the_gallery_leads_here(runs: Path, tmp_path: Path) -> None:
    save_networks(tmp_path, "fast")
    app = open_page("gallery")
    assert app.button(key="gallery_open_fast").label == "Stylise a photograph"
    app.button(key="gallery_open_fast").click().run()
    assert app.title[0].value == "Stylise"
    assert app.multiselect(key="stylize_networks").value == ["fast"]
