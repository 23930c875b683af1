"""Fast style transfer: images of any size, borders and tiles without seams."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from genmodels import __main__ as command_line
from genmodels import capabilities
from genmodels.data.formats import image_files
from genmodels.errors import CapabilityError
from genmodels.images.tiled import translate_image
from genmodels.models import fast_style
from genmodels.models.fast_style import FastStyle
from genmodels.runs import checkpoint
from genmodels.runs.folder import RunFolder
from tests.conftest import small_spec
from tests.support.style_pictures import picture, small_canvas, small_network, tensor


def test_the_learning_rate_is_constant_then_falls_to_zero() -> None:
    model = small_network(decay_from=0.5)
    factors = [model.schedule(step, 100)["model"] for step in (0, 50, 75, 100)]
    assert factors == [1, 1, 0.5, 0]


@pytest.mark.parametrize("size", [(1, 1), (17, 33), (3000, 20), (16, 16), (30, 1)])
def test_the_result_has_the_size_of_the_image(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    model = FastStyle.build(image_shape=(3, 32, 32), width=4, residual_blocks=1).requires_grad_(False).eval()
    photo = picture(*size)
    for max_side in (None, 3000):  # at the scale of training, and at the image's own size
        stylized = translate_image(model, photo, "stylize", max_side=max_side, precision="fp32")
        assert stylized.shape == photo.shape
        assert stylized.dtype == np.uint8
    zeros = torch.zeros(2, 3, size[1], size[0])
    (direct,) = model.stylize(zeros)
    assert direct.shape == model.stylize_full_size(zeros).shape == zeros.shape
    transparent = np.concatenate([photo, np.full((*photo.shape[:2], 1), 9, np.uint8)], 2)
    assert np.array_equal(translate_image(model, transparent, "stylize", precision="fp32")[..., 3], transparent[..., 3])


def test_a_large_image_is_stylised_at_the_scale_of_training() -> None:
    """By default, by the model's method and as a file; a larger `max_side` keeps the image's own size."""
    torch.manual_seed(0)
    model = FastStyle.build(image_shape=(3, 24, 32), width=4, residual_blocks=1).requires_grad_(False).eval()
    assert model.training_side == 32
    photo = picture(128, 64)
    small = np.asarray(Image.fromarray(photo).resize((32, 16), Image.Resampling.LANCZOS))
    stylized = Image.fromarray(translate_image(model, small, "stylize", precision="fp32"))
    wanted = np.asarray(stylized.resize((128, 64), Image.Resampling.LANCZOS)).astype(int)
    assert np.array_equal(translate_image(model, photo, "stylize", precision="fp32"), wanted)
    whole = translate_image(model, photo, "stylize", max_side=128, precision="fp32").astype(int)
    assert np.abs(whole - wanted).mean() > 4

    (direct,) = model.stylize(tensor(128, 64))
    errors = [np.abs(direct[0].permute(1, 2, 0).add(1).mul(127.5).numpy() - x).mean() for x in (wanted, whole)]
    assert errors[0] < 0.3 * errors[1]  # the two ways of downsampling differ a little
    assert torch.equal(next(model.stylize(tensor(32, 24))), model.stylize_full_size(tensor(32, 24)))


def test_the_border_is_stylised_like_the_middle() -> None:
    """The margin removes the strip that the strided convolutions draw at their zero padding."""
    torch.manual_seed(0)
    model = FastStyle.build(image_shape=(3, 32, 32), width=4, residual_blocks=1).requires_grad_(False).eval()
    photo = tensor(64, 64)
    doubled = torch.cat([photo.flip(3), photo], 3)  # its middle looks like a reflected border

    def border_error(margin: int) -> float:
        border, inside = (model._forward(x, margin)[..., -64:][..., :6] for x in (photo, doubled))
        return float((border - inside).abs().mean())

    floor = border_error(63)  # the norm statistics of the two images differ a little
    assert border_error(fast_style._MARGIN) - floor < 0.4 * (border_error(0) - floor)


def test_tiles_of_a_large_image_have_no_seam() -> None:
    torch.manual_seed(0)
    model = FastStyle.build(image_shape=(3, 32, 32), width=4, residual_blocks=1).requires_grad_(False).eval()
    photo = picture(500, 420)
    whole, tiled = (
        translate_image(model, photo, "stylize", max_side=500, tile=tile, precision="fp32").astype(int)
        for tile in (768, 320)
    )
    across = np.abs(np.diff(tiled, axis=1)).mean((0, 2))
    assert across.max() < 1.5 * np.abs(np.diff(whole, axis=1)).mean((0, 2)).max()
    assert np.abs(whole - tiled).mean() < 6  # of 255: the statistics come from a downsampled copy


def test_the_command_line_stylises_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GENMODELS_RUNS", str(tmp_path / "runs"))
    for family in ("fast_style", "style_transfer"):
        spec = small_spec(family, "train.max_steps=1")
        folder = RunFolder.create(tmp_path / "runs" / family, spec)
        checkpoint.save(folder, 1, checkpoint.build(spec.model_dump()))
    photo, out = tmp_path / "in.jpg", tmp_path / "out.png"
    Image.fromarray(picture(45, 31)).save(photo)

    def run(*words: str) -> int:
        monkeypatch.setattr("sys.argv", ["genmodels", "stylize", *words])
        with pytest.raises(SystemExit) as ended:
            command_line.main()
        return int(ended.value.code or 0)

    assert run("fast_style", str(photo), str(out)) == 0
    assert Image.open(out).size == (45, 31)
    stylized = translate_image(
        checkpoint.load_model(tmp_path / "runs" / "fast_style", 1),
        image_files.decode_whole(photo.read_bytes()),
        "stylize",
    )
    assert np.abs(np.asarray(Image.open(out)).astype(int) - stylized).max() <= 1
    at_scale = np.asarray(Image.open(out)).astype(int)
    assert "processed at 28 x 19 pixels and upsampled" in capsys.readouterr().err
    assert run("fast_style", str(photo), str(out), "--max-side", "45") == 0
    assert "upsampled" not in capsys.readouterr().err
    assert np.abs(np.asarray(Image.open(out)) - at_scale).mean() > 1
    assert run("style_transfer", str(photo), str(out)) == 1
    assert "cannot stylise an image in one pass; choose a fast style network" in capsys.readouterr().err


def test_a_canvas_cannot_stylise_another_image_in_one_pass() -> None:
    with pytest.raises(CapabilityError, match="choose a fast style network"):
        translate_image(small_canvas(), picture(), "stylize")
    with pytest.raises(CapabilityError, match="trained for"):
        next(small_network().stylize(tensor()[:, :1], tensor()[:, :1]))
    assert capabilities.of(small_canvas()) == ("stylizing", "painting")
    assert capabilities.of(small_network()) == ("stylizing",)
