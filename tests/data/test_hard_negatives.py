"""Hard negatives of a classifier: disguised training images, and translations that keep the class of their content."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from genmodels import data
from genmodels.data import DataConfig
from genmodels.data.loader import to_float, to_uint8
from genmodels.errors import CapabilityError, ConfigError, DataError
from genmodels.images import hard_negatives as folders
from genmodels.layers import hard_negatives
from genmodels.runs import catalog
from tests.conftest import small_model
from tests.support.command_line import run
from tests.support.picture_files import RED, encoded, own, plain, write_files
from tests.support.runs import save_run
from tests.support.translation import SMALL


def images(count: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    small = torch.rand(count, 3, 6, 6, generator=generator)
    return torch.nn.functional.interpolate(small, (28, 28), mode="bicubic").clamp(0, 1) * 1.6 - 0.8


def test_the_requested_fraction_is_disguised_and_stays_in_range() -> None:
    x = images(600)
    for fraction in (0.0, 0.25, 1.0):
        changed = hard_negatives.disguise(x, fraction, torch.Generator().manual_seed(1))
        assert changed.shape == x.shape
        assert float(changed.abs().max()) <= 1
        rate = float((changed != x).flatten(1).any(1).float().mean())
        assert rate == pytest.approx(fraction, abs=0.05), "a binomial of 600 has a deviation of at most 0.02"
        again = hard_negatives.disguise(x, fraction, torch.Generator().manual_seed(1))
        assert torch.equal(again, changed)


def test_half_of_the_disguises_are_stripes_and_the_others_share_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    marks = [lambda x, generator, way=way: torch.full_like(x, way) for way in range(6)]
    monkeypatch.setattr(hard_negatives, "_DISGUISES", tuple(marks))
    ways = hard_negatives.disguise(torch.full((4000, 1, 1, 1), -1.0), 0.5, torch.Generator().manual_seed(0)).flatten()
    fractions = torch.bincount(ways.long() + 1, minlength=7) / 4000
    torch.testing.assert_close(fractions, torch.tensor([0.5, 0.25, *[0.05] * 5]), atol=0.02, rtol=0)


def test_stripes_are_black_and_white_waves_of_the_whole_image_or_a_part() -> None:
    grey = torch.zeros(200, 3, 32, 32)
    striped = hard_negatives.stripes(grey, torch.Generator().manual_seed(0))
    assert torch.equal(striped[:, 0], striped[:, 1]), "without colour"
    assert float(striped.abs().amax((1, 2, 3)).min()) > 0.07, "each image has visible ones: tanh(1) of a tenth"
    assert float(striped.abs().max()) <= 0.5
    assert abs(float(striped.mean())) < 0.02, "as much black as white"
    corners = striped[:, 0, [0, 0, -1, -1], [0, -1, 0, -1]].abs().amax(1)
    assert 0.25 < float((corners < 0.02).float().mean()) < 0.75, "about half of them leave the corners free"


def test_blocks_round_fine_detail_before_coarse() -> None:
    torch.testing.assert_close(
        hard_negatives._dct(torch.device("cpu")) @ hard_negatives._dct(torch.device("cpu")).T, torch.eye(8)
    )
    ramp = torch.linspace(-0.8, 0.8, 30).expand(2, 3, 30, 30)
    checker = 0.08 * (1 - 2 * ((torch.arange(30)[:, None] + torch.arange(30)) % 2)).float()
    coded = hard_negatives.blocks(ramp + checker, torch.Generator().manual_seed(0))
    assert coded.shape == ramp.shape
    assert float((coded - ramp).abs().mean()) < 0.08, "the ramp is still there"
    assert float((coded[:, :, :24, :24] * checker[:24, :24]).mean()) < 0.2 * float(checker.square().mean())


def test_darknet_disguises_only_during_training() -> None:
    x = images(20).mean(1, keepdim=True)
    model = small_model("darknet", hard_negatives=1.0, flip=False, shift=0)
    varied = model._augment(x)  # type: ignore[operator]
    assert float((varied != x).flatten(1).any(1).float().mean()) > 0.7, "grey of a grey image changes nothing"
    plain_model = small_model("darknet", flip=False, shift=0)
    assert plain_model._augment(x) is x  # type: ignore[operator]


def two_domains(root: Path) -> Path:
    names = {"trainA": 6, "trainB": 4, "testA": 2, "testB": 2}
    return write_files(
        root, {f"{folder}/{n}.png": encoded(plain(RED)) for folder, count in names.items() for n in range(count)}
    )


def test_extra_images_are_trained_on_and_never_tested_with(tmp_path: Path) -> None:
    root = two_domains(tmp_path / "set")
    extra = write_files(tmp_path / "extra", {f"B/{n}.png": encoded(plain((0, 0, 90 + n))) for n in range(3)})
    config = own(root, "unpaired", size=8, extra=str(extra))
    spec = data.get_spec(config)
    assert (spec.train_size, spec.test_size, spec.pairs, spec.provides) == (13, 4, 0, ("image", "label"))
    train, test = data.load(config), data.load(config, "test")
    assert np.bincount(train.labels).tolist() == [6, 7]
    assert sorted(image[2, 0, 0] for image in train.images if image[2, 0, 0] > 50) == [90, 91, 92]
    assert test.images.tolist() == data.load(config.replace(extra=None), "test").images.tolist()


def test_a_wrong_folder_of_extra_images_is_explained(tmp_path: Path) -> None:
    config = own(two_domains(tmp_path / "set"), "unpaired", size=8)
    with pytest.raises(DataError, match=r"data\.extra = .* is not a folder .* hard-negatives"):
        data.get_spec(config.replace(extra=str(tmp_path / "none")))
    strange = write_files(tmp_path / "strange", {"A/1.png": encoded(plain()), "cats/1.png": encoded(plain())})
    with pytest.raises(DataError, match=r"holds cats/1\.png; images in the subfolders A and B"):
        data.get_spec(config.replace(extra=str(strange)))
    with pytest.raises(ConfigError, match=r"data\.extra = .* does not apply to data set 'digits'"):
        data.get_spec(DataConfig(name="digits", extra=str(strange)))


def test_translations_are_written_with_the_class_of_their_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENMODELS_RUNS", str(tmp_path / "runs"))
    options = (*SMALL, "data.name=unpaired", f"data.path={two_domains(tmp_path / 'set')}", "data.size=16")
    for name in ("first", "second"):
        save_run(tmp_path / "runs", name, "flowers_cyclegan", *options, steps=(0,))
    done = run("hard-negatives", str(tmp_path / "out"), "first", "second", "--direction", "ba", "--limit", "3")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == f"{tmp_path / 'out'}: 6 images"
    written = sorted((tmp_path / "out").rglob("*.png"))
    assert {file.parent.name for file in written} == {"B"}
    config = own(tmp_path / "set", "unpaired", size=16)
    row = int(written[0].stem.rpartition("-")[2])
    x = to_float(torch.from_numpy(data.load(config).images[row : row + 1]))
    expected = to_uint8(catalog.load("first").translate(x, "b_to_a"))[0]  # type: ignore[operator]
    assert np.array_equal(np.array(Image.open(written[0])), expected.permute(1, 2, 0).numpy())
    assert data.get_spec(config.replace(extra=str(tmp_path / "out"))).train_size == 16

    with pytest.raises(ConfigError, match="choose a new name"):
        folders.write(tmp_path / "out", ["first"], "a_to_b", 1)
    with pytest.raises(CapabilityError, match="mnist_gan does not translate"):
        folders.write(tmp_path / "other", ["mnist_gan"], "a_to_b", 1)
    assert not (tmp_path / "other").exists()
