"""The background of transparent images: the user chooses it and is warned if it hides the content."""

from __future__ import annotations

import io
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from genmodels import data
from genmodels.data import DataConfig, uploaded_sets
from genmodels.data.formats.background import Background, level_of
from genmodels.data.own import hdf5
from genmodels.errors import ConfigError
from genmodels.service import datasets
from genmodels.service.datasets import Upload, UploadSettings
from tests.support.picture_files import encoded, own, plain
from tests.support.preloaded import python


def ink(mode: str = "RGBA") -> bytes:
    """A black stroke on a transparent background."""
    image = Image.new("RGBA", (24, 24), (0, 0, 0, 0))
    image.paste((0, 0, 0, 255), (8, 4, 12, 20))
    return encoded(image if mode == "RGBA" else image.convert(mode))


@pytest.fixture
def drawings(tmp_path: Path) -> Path:
    root = tmp_path / "ink"
    root.mkdir()
    for number in range(5):
        (root / f"{number}.png").write_bytes(ink("LA" if number == 4 else "RGBA"))
    (root / "opaque.png").write_bytes(encoded(plain((9, 99, 199))))
    return root


def pack(root: Path, out: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return python("-m", "genmodels", "pack", str(root), str(out), "--size", "24", *options)


def test_the_command_uses_the_chosen_background_and_warns(drawings: Path, tmp_path: Path) -> None:
    black = pack(drawings, tmp_path / "black.h5")
    assert "5 images have transparency; laid on black, 5 of them show nothing on it: choose another" in black.stderr
    assert hdf5.read_header(tmp_path / "black.h5").view()[0].max() == 0
    for name, level in (("white", 255), ("GREY", 128), ("200", 200)):
        done = pack(drawings, tmp_path / f"{name}.h5", "--background", name)
        assert (
            f"5 images have transparency; laid on {name.lower() if name != '200' else 'grey level 200'}" in done.stderr
        )
        assert "show nothing" not in done.stderr
        image = hdf5.read_header(tmp_path / f"{name}.h5").view()[0]
        assert (image.max(), image.min(), int(image[0, 10, 10])) == (level, 0, 0)
    wrong = pack(drawings, tmp_path / "x.h5", "--background", "mauve")
    assert wrong.returncode == 2
    assert "background = 'mauve' is not allowed: black, white, grey, or a grey level from 0 to 255" in wrong.stderr
    assert not (tmp_path / "x.h5").exists()


@pytest.mark.parametrize("value", ["-1", "256", "2.5", "", "٣", "99999999999"])
def test_an_invalid_grey_level_is_refused(value: str) -> None:
    with pytest.raises(ConfigError, match="0 to 255"):
        level_of(value)


def test_training_on_a_folder_uses_the_background_setting(drawings: Path, caplog: pytest.LogCaptureFixture) -> None:
    config = own(drawings, "image_folder", size=24)
    assert sorted(int(image.max()) for image in data.load(config).images)[:4] == [0] * 4
    assert "images have transparency; laid on black" in caplog.text
    for value in ("white", 255, "White"):
        white = data.load(config.replace(background=DataConfig.parse({"background": value}).background))
        assert sorted(int(np.ptp(image)) for image in white.images)[1:] == [255] * 4
    with pytest.raises(ConfigError, match=r"data\.background"):
        DataConfig.parse({"name": "image_folder", "background": "mauve"}, "data.")
    with pytest.raises(ConfigError, match=r"data\.background = 255 does not apply to data set 'digits'"):
        data.get_spec(DataConfig(name="digits", background=255))


def test_unpaired_domains_use_the_background_setting(drawings: Path) -> None:
    config = own(drawings, "unpaired", path_b=str(drawings), size=24, background="white")
    assert {int(image.max()) for image in data.load(config).images} <= {255, 199}


def test_the_note_is_in_the_singular_for_one_image() -> None:
    one = Background()
    one.decode(ink(), 16, 3)
    assert one.notes() == (
        "1 image has transparency; laid on black, which shows nothing on it: choose another background",
    )


def test_an_upload_uses_the_chosen_background(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENMODELS_DATA", str(tmp_path / "data"))
    files = [Upload(f"{n}.png", io.BytesIO(ink()), len(ink())) for n in range(3)]
    report = datasets.upload(files, UploadSettings(title="ink", size=16, background=255))
    assert report.notes == ("3 images have transparency; laid on white",)
    assert hdf5.read_header(uploaded_sets.path_of("ink")).view()[0].max() == 255
    assert datasets.find("ink").spec.notes == report.notes  # type: ignore[union-attr]
