"""Content and style images: shapes, error messages, and copies in the run folder."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import train_jobs
from genmodels import data, recipes
from genmodels.data import DataConfig
from genmodels.errors import ConfigError, DataError
from genmodels.runs.folder import RunFolder
from genmodels.training import runner
from tests.support.style_pictures import picture
from train_jobs import submission
from train_jobs.spec import make_spec


def pair(folder: Path, width: int = 60, height: int = 40) -> DataConfig:
    folder.mkdir()
    Image.fromarray(picture(width, height)).save(folder / "photo.jpg")
    Image.fromarray(picture(50, 70, 1)).save(folder / "painting.png")
    return DataConfig(
        name="style_pair", path=str(folder / "photo.jpg"), path_b=str(folder / "painting.png"), size=32, style_size=24
    )


def test_content_and_style_keep_their_aspect_ratios(tmp_path: Path) -> None:
    config = pair(tmp_path / "mine", 61, 40)
    spec = data.get_spec(config)
    assert (spec.image_shape, spec.provides, spec.train_size) == ((3, 21, 32), ("content", "style"), 1)
    arrays = data.load(config, "test")
    assert arrays.images.shape == (1, 3, 21, 32)
    assert arrays.style is not None
    assert arrays.style.shape == (1, 3, 24, 17)
    assert data.class_counts(config) == ()


def test_rotated_transparent_and_invalid_images(tmp_path: Path) -> None:
    config = pair(tmp_path / "mine")
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate by 90 degrees
    Image.fromarray(picture(60, 40)).save(tmp_path / "rotated.jpg", exif=exif)
    assert data.get_spec(config.replace(path=str(tmp_path / "rotated.jpg"))).image_shape == (3, 32, 21)
    assert data.load(config.replace(path=str(tmp_path / "rotated.jpg"))).images.shape == (1, 3, 32, 21)
    clear = Image.new("RGBA", (40, 40), (200, 0, 0, 0))
    clear.save(tmp_path / "clear.png")
    assert data.load(config.replace(path=str(tmp_path / "clear.png"))).images.min() == 255
    for name, raw, reason in (
        ("a.png", b"not a picture", "not a PNG"),
        ("b.png", _png(3000, 20), "less narrow"),
        ("c.png", _png(9000, 8000), "more than 64,000,000 pixels"),
        ("d.jpg", (tmp_path / "rotated.jpg").read_bytes()[:500], "damaged"),
    ):
        (tmp_path / name).write_bytes(raw)
        with pytest.raises(DataError, match=reason) as caught:
            data.load(config.replace(path=str(tmp_path / name)))
        assert name in str(caught.value)
    assert "needs the style picture" in str(data.missing(config.replace(path_b=None)))
    assert "is not a file" in str(data.missing(config.replace(path=str(tmp_path / "gone.png"))))
    with pytest.raises(ConfigError, match=r"data\.style = 'x' does not apply"):
        data.get_spec(config.replace(style="x"))


def _png(width: int, height: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (width, height)).save(buffer, "PNG")
    return buffer.getvalue()


def test_a_style_image_is_found_by_name_and_copied_into_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENMODELS_DATA", str(tmp_path / "data"))
    (tmp_path / "data" / "style_images").mkdir(parents=True)
    Image.fromarray(picture(80, 60, 1)).save(tmp_path / "data" / "style_images" / "waves.jpg")
    (tmp_path / "photos").mkdir()
    for index in range(6):
        Image.fromarray(picture(40, 40, index)).save(tmp_path / "photos" / f"{index}.png")
    config = DataConfig(name="image_folder", path=str(tmp_path / "photos"), size=16, style="waves", style_size=32)
    assert data.get_spec(config).provides == ("image", "style")
    assert "waves" in str(data.missing(config.replace(style="wavs")))
    copied = data.prepared_inputs(config)
    assert list(copied) == ["style.png"]
    assert Image.open(io.BytesIO(copied["style.png"])).size == (32, 24)
    spec = recipes.resolve(
        recipes.family("fast_style"),
        overrides={
            "model": {"width": 4, "residual_blocks": 1, "kernel": 3, "style_relu4_1": 0},
            "data": config.model_dump(exclude_defaults=True),
            "train": {"max_steps": 2, "batch_size": 2, "precision": "fp32", "compile": "off"},
            "run": {"threads": 1},
        },
    )
    folder = RunFolder.create(tmp_path / "run", spec)
    (tmp_path / "data" / "style_images" / "waves.jpg").unlink()
    assert folder.spec().data.style == str(folder.path / "inputs" / "style.png")
    assert runner.train_folder(folder, device="cpu") == "finished"
    assert {step for step, _ in folder.previews()} == {0, 2}
    with Image.open(folder.previews()[-1][1]) as preview:
        assert preview.size[1] > preview.size[0]  # the one test photograph, with its stylised version below


def test_a_job_uses_copies_of_its_images(tmp_path: Path) -> None:
    config = pair(tmp_path / "mine")
    assignments = [
        f"data.{field}={value}" for field, value in config.model_dump(exclude_defaults=True).items() if field != "name"
    ]
    spec = make_spec(
        "style_transfer",
        assignments=[
            *assignments, "train.max_steps=4", "train.preview_every=2", "train.precision=fp32", "train.compile=off",
            "run.threads=1", "model.style_relu4_1=0", "model.style_relu5_1=0",
        ],
    )  # fmt: skip
    job_id = submission.enter(spec, running=("cpu", 1, 0.0))
    folder = train_jobs.job(job_id).folder
    copies = sorted(path.name for path in (folder.path / "inputs").iterdir())
    assert copies == ["content.png", "style.png"]
    with Image.open(folder.path / "inputs" / "content.png") as content:
        assert content.size == (32, 21)
    expected = data.load(config).images
    for name in ("photo.jpg", "painting.png"):
        (tmp_path / "mine" / name).unlink()
    assert np.array_equal(data.load(folder.spec().data).images, expected)
    assert runner.train_folder(folder, device="cpu") == "finished"
    previews = [np.asarray(Image.open(path)) for _, path in folder.previews()]
    assert [step for step, _ in folder.previews()] == [0, 2, 4]
    assert np.array_equal(previews[0], expected[0].transpose(1, 2, 0))  # the photograph at its own size
    assert not np.array_equal(previews[1], previews[2])
    losses = [point["loss/total"] for point in folder.metrics()[0]]
    assert len(losses) == 4
    assert losses[-1] < losses[0]


def test_invalid_images_are_refused_before_submission(tmp_path: Path) -> None:
    config = pair(tmp_path / "mine")
    spec = make_spec("style_transfer", assignments=[f"data.path={config.path}", f"data.path_b={config.path_b}"])
    Path(str(config.path_b)).write_bytes(b"not a picture")
    with pytest.raises(DataError, match=r"painting\.png: not a PNG"):
        submission.enter(spec)
    assert not train_jobs.jobs()
    with pytest.raises(DataError, match=r"needs the content picture: set data\.path"):
        make_spec("style_transfer")
