"""The Data page without a browser: what it says, takes in, deletes, refuses; and that its sets can be trained on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

import train_jobs
from genmodels import data, service
from genmodels.data import uploaded_sets
from genmodels.data.own import hdf5
from genmodels.runs.folder import runs_root
from genmodels.service import Point, datasets
from pages.components.theme import plain as escaped
from tests.support.pages import open_page, submit_command, visible
from tests.support.picture_files import RED, claimed_png, encoded, plain
from tests.support.uploads import upload_set, zip_of
from train_jobs import daemon


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GENMODELS_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def words(app: AppTest) -> str:
    kinds = (app.markdown, app.caption, app.info, app.warning, app.error, app.success)
    return " ".join(entry.value for kind in kinds for entry in kind)


def upload_page() -> AppTest:
    app = open_page("data")
    app.segmented_control(key="data_view").set_value("upload").run()
    assert not app.exception
    return app


def upload_files(app: AppTest, *files: tuple[str, bytes]) -> AppTest:
    app.file_uploader[0].set_value([(name, raw, "application/octet-stream") for name, raw in files]).run()
    assert not app.exception, app.exception[0].message
    return app


# --------------------------------------------------------------------------- browsing


def test_the_page_opens_on_the_digits_and_says_what_they_are() -> None:
    app = open_page("data")
    assert app.selectbox(key="data_set").value == "digits"
    text = words(app)
    for part in (
        "**4,500** training pictures",
        "**500** held out",
        "28 x 28",
        "784 numbers",
        "**10** classes",
        "CC BY-SA 3.0",
    ):
        assert part in text
    assert "From 436 (3) to 462 (0) training pictures per class." in text
    assert "Pictures 1 to 48 of 4,500" in text


@pytest.mark.parametrize("name", data.names())
def test_every_set_has_its_page(name: str) -> None:
    app = open_page("data", data=name)
    assert app.selectbox(key="data_set").value == name
    assert app.query_params["data"] in (name, [name])
    assert escaped(data.get_spec(data.DataConfig(name=name)).licence) in words(app)
    missing = data.missing(data.DataConfig(name=name)) is not None
    assert any(button.key == f"data_get_{name}" for button in app.button) == missing
    assert any(button.key == "data_train" for button in app.button) != missing


def test_a_class_a_seed_and_a_page_are_chosen() -> None:
    app = open_page("data")
    app.selectbox(key="data_class").select(7).run()
    assert "Pictures 1 to 48 of 451" in words(app)
    app.number_input(key="data_page").set_value(10).run()
    assert "Pictures 433 to 451 of 451" in words(app)
    app.selectbox(key="data_split").select("test").run()
    assert app.number_input(key="data_page").value == 1, "another choice begins at its first page"
    app.selectbox(key="data_set").select("pattern_1010").run()
    assert app.selectbox(key="data_class").value == -1
    assert not app.exception


def test_an_unknown_set_in_the_address_is_said() -> None:
    app = open_page("data", data="[x](http://evil)")
    assert app.selectbox(key="data_set").value == "digits"
    assert "called “\\[x\\](http\\:\u2060//evil)”" in app.warning[0].value


def test_a_public_server_says_why_nothing_can_be_fetched_brought_or_deleted(monkeypatch: pytest.MonkeyPatch) -> None:
    name = upload_set()
    monkeypatch.setenv("GENMODELS_PUBLIC", "1")
    app = open_page("data", data="mnist")
    assert "This set is not on this server" in app.info[0].value
    assert app.button(key="data_get_mnist").disabled
    assert open_page("data", data=name).button(key="data_delete").disabled
    app = upload_page()
    assert "Nothing can be uploaded on a public server" in app.info[0].value
    assert len(app.file_uploader) == 0


# --------------------------------------------------------------------------- one's own


def test_pictures_are_uploaded_packed_shown_and_deleted() -> None:
    app = upload_page()
    good = [(f"{n}.png", encoded(plain(RED, (10 + n, 30)))) for n in range(5)]
    upload_files(app, *good, ("text.png", b"text"), ("bomb.png", claimed_png(13_000, 13_000)))
    assert "**7** picture files" in words(app)
    app.text_input(key="data_name").set_value("Red & <b>round</b>")
    app.selectbox(key="data_size").select(32)
    app.segmented_control(key="data_colours").set_value("grey").run()
    assert "32 x 32 in grey" in words(app)
    app.button(key="data_pack").click().run()
    assert not app.exception
    assert uploaded_sets.names() == ("red-b-round-b",)
    assert app.selectbox(key="data_set").value == "red-b-round-b"
    assert r"**Red \& \<b\>round\</b\>** is ready: 5 pictures of 32 x 32 grey" in app.success[0].value
    text = words(app)
    assert r"text.png\: not a PNG" in text
    assert r"bomb.png\: 13000 x 13000 is more than 64,000,000 pixels" in text
    assert "**4** training pictures, **1** held out" in text
    app.button(key="data_delete").click().run()
    assert uploaded_sets.names(), "asked first"
    app.button(key="data_delete_cancel").click().run()
    app.button(key="data_delete").click().run()
    app.button(key="data_delete_confirm").click().run()
    assert uploaded_sets.names() == ()
    assert app.selectbox(key="data_set").value == "digits"
    assert not app.success


def test_folders_of_a_zip_are_reported_as_classes() -> None:
    files = {f"x/{kind}/{n}.png": encoded(plain()) for kind in ("ca*ts", "dogs") for n in range(3)}
    app = upload_files(upload_page(), ("pets.zip", zip_of(files | {"readme.txt": b"hello"})))
    app.button(key="data_pack").click().run()
    assert r"Its folders became 2 classes: ca\*ts, dogs. Other files in the zip, ignored: 1." in app.success[0].value
    assert app.selectbox(key="data_class").options == ["all classes", "ca*ts", "dogs"]
    app.selectbox(key="data_set").select("digits").run()
    assert not app.success, "the report belongs to its set"


def test_the_background_is_chosen_and_the_report_stays_with_the_set() -> None:
    ink = encoded(plain((0, 0, 0, 0), mode="RGBA"))
    files = {f"{kind}/{n}.png": ink for kind in ("cats", "dogs") for n in range(3)}
    app = upload_files(upload_page(), ("pets.zip", zip_of(files | {"cats/a.heic": b"x", "logo.png": encoded(plain())})))
    app.segmented_control(key="data_background").set_value("white").run()
    app.button(key="data_pack").click().run()
    assert "6 images have transparency; laid on white" in app.warning[0].value
    (reasons,) = [box for box in app.expander if box.label == "Left out, with the reason: 2"]
    for part in ("HEIC, which is not read here", "files outside the class folders"):
        assert part in visible(reasons.markdown[0].value), "said at once, with the file's name"
    assert hdf5.read_header(uploaded_sets.path_of("my-pictures")).view().min() == 255
    again = words(open_page("data", data="my-pictures"))
    for part in ("HEIC, which is not read here", "files outside the class folders", "laid on white"):
        assert part in visible(again)


@pytest.mark.parametrize(
    ("files", "reason", "asked"),
    [
        ([("a.zip", b"text")], "neither a zip nor an HDF5 file", False),
        ([("a.zip", b"PK\3\4"), ("b.png", b"")], "is among pictures", False),
        ([("a.png", b"text"), ("b.png", b"text")], "none of the 2 pictures", True),
        ([("a.h5", b"\x89HDF\r\n\x1a\n")], "cannot be read as HDF5", True),
    ],
)
def test_a_bad_upload_is_said_and_the_form_stays(files: list[tuple[str, bytes]], reason: str, asked: bool) -> None:
    app = upload_files(upload_page(), *files)
    if asked:
        app.button(key="data_pack").click().run()
    assert not app.exception
    assert reason in visible(app.error[0].value)
    assert uploaded_sets.names() == ()
    assert len(app.file_uploader) == 1


def test_a_damaged_set_is_said_and_can_be_deleted() -> None:
    name = upload_set()
    uploaded_sets.path_of(name).write_bytes(b"no HDF5")
    app = open_page("data", data=name)
    assert "cannot be read as HDF5" in app.error[0].value
    app.button(key="data_delete").click().run()
    app.button(key="data_delete_confirm").click().run()
    assert uploaded_sets.names() == ()


def test_a_set_deleted_elsewhere_is_named_once() -> None:
    name = upload_set()
    app = open_page("data", data=name)
    datasets.remove(name)
    app.run()
    assert f"called “{name}”" in app.warning[0].value
    assert app.selectbox(key="data_set").value == "digits"
    assert not app.run().warning


# --------------------------------------------------------------------------- training on it


@pytest.fixture
def scheduler_ends() -> Iterator[None]:
    yield
    for job in train_jobs.jobs():
        if job.active:
            train_jobs.stop(job.id)
    daemon.end(runs_root())


def test_train_on_this_chooses_the_set_and_a_batch_that_it_fills() -> None:
    name = upload_set()
    app = open_page("train", data=name)
    assert app.selectbox(key="train_data").value == name
    assert app.number_input(key="train_train_batch_size").value == 27
    assert not app.error
    path = str(uploaded_sets.path_of(name))
    command = submit_command(app)
    assert command[-2:] == ["--data", "hdf5"]
    assert f"data.path={path}" in command
    assert "train.batch_size=27" in command
    app.selectbox(key="train_recipe").select("mnist_gan").run()
    assert app.selectbox(key="train_data").value == name, "it stays chosen from recipe to recipe"
    app.selectbox(key="train_data").select("digits").run()
    assert "data.path" not in " ".join(submit_command(app))
    assert app.query_params["data"] in ("digits", ["digits"])


def test_a_set_deleted_meanwhile_or_unknown_leaves_the_train_page_usable() -> None:
    name = upload_set()
    app = open_page("train", data=name)
    app.switch_page("gallery.py").run()
    datasets.remove(name)
    app.switch_page("train.py").run()
    assert not app.exception
    assert app.selectbox(key="train_data").value == "digits"
    app = open_page("train", data="nonsense")
    assert "no data set called “nonsense”" in app.warning[0].value


@pytest.mark.slow
def test_a_set_just_packed_is_trained_on_through_the_train_page(scheduler_ends: None) -> None:
    app = open_page("train", data=upload_set(), recipe="mnist_vae_20")
    app.radio(key="train_length").set_value("max_steps").run()
    app.number_input(key="train_train_max_steps").set_value(12)
    app.text_input(key="train_model_hidden_sizes").set_value("32").run()
    assert not app.error, app.error[0].value
    app.button(key="train_start").click().run()
    job = train_jobs.jobs()[0]
    end = time.monotonic() + 120
    while train_jobs.job(job.id).active:
        assert time.monotonic() < end
        time.sleep(0.2)
    done = train_jobs.job(job.id)
    assert (done.state, done.step, done.error) == ("SUCCEEDED", 12, None)
    spec = done.folder.spec()
    assert (spec.model["image_shape"], spec.data_spec.title) == ([3, 16, 16], "My cats")
    picture = service.render(Point(model=job.id))
    assert (picture.width, picture.height) == (16, 16)
