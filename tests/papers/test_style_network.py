"""The fast network: pictures of any size, borders and tiles without seams."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from genmodels import __main__ as command_line
from genmodels import capabilities, checkpoint
from genmodels.data import pictures
from genmodels.errors import CapabilityError
from genmodels.models import fast_style
from genmodels.models.fast_style import FastStyle
from genmodels.runfolder import RunFolder
from genmodels.stylizing import stylize_image
from tests.conftest import small_spec
from tests.support.style_pictures import picture, small_canvas, small_network, tensor


def test_fast_networks_rate_is_constant_then_falls_to_nothing() -> None:
    model = small_network(decay_from=0.5)
    factors = [model.schedule(step, 100)["model"] for step in (0, 50, 75, 100)]
    assert factors == [1, 1, 0.5, 0]


@pytest.mark.parametrize("size", [(1, 1), (17, 33), (3000, 20), (16, 16), (30, 1)])
def test_a_picture_of_any_size_is_painted_at_its_size(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    model = FastStyle.build(image_shape=(3, 32, 32), width=4, residual_blocks=1).requires_grad_(False).eval()
    photo = picture(*size)
    painted = stylize_image(model, photo, precision="fp32")
    assert painted.shape == photo.shape
    assert painted.dtype == np.uint8
    (direct,) = model.stylize(torch.zeros(2, 3, size[1], size[0]))
    assert direct.shape == (2, 3, size[1], size[0])
    see_through = np.concatenate([photo, np.full((*photo.shape[:2], 1), 9, np.uint8)], 2)
    assert np.array_equal(stylize_image(model, see_through, precision="fp32")[..., 3], see_through[..., 3])


def test_a_pictures_border_is_painted_as_its_middle_is() -> None:
    """The halving convolutions know the border by the zeros around it: of what they make of that nothing is left."""
    torch.manual_seed(0)
    model = FastStyle.build(image_shape=(3, 32, 32), width=4, residual_blocks=1).requires_grad_(False).eval()
    photo = tensor(64, 64)
    doubled = torch.cat([photo.flip(3), photo], 3)  # its middle is what a mirrored border looks like

    def strip(margin: int) -> float:
        alone, inside = (model._forward(x, margin)[..., -64:][..., :6] for x in (photo, doubled))
        return float((alone - inside).abs().mean())

    of_statistics = strip(63)  # which differ a little between the two pictures, however far away the border is
    assert strip(fast_style._MARGIN) - of_statistics < 0.4 * (strip(0) - of_statistics)


def test_tiles_of_a_large_picture_show_no_seam() -> None:
    torch.manual_seed(0)
    model = FastStyle.build(image_shape=(3, 32, 32), width=4, residual_blocks=1).requires_grad_(False).eval()
    photo = picture(500, 420)
    whole, tiled = (stylize_image(model, photo, tile=tile, precision="fp32").astype(int) for tile in (768, 320))
    across = np.abs(np.diff(tiled, axis=1)).mean((0, 2))
    assert across.max() < 1.5 * np.abs(np.diff(whole, axis=1)).mean((0, 2)).max()
    assert np.abs(whole - tiled).mean() < 6  # of 255: the statistics come from a reduced copy


def test_the_command_line_paints_a_file(
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
    painted = stylize_image(
        checkpoint.load_model(tmp_path / "runs" / "fast_style", 1), pictures.decode_whole(photo.read_bytes())
    )
    assert np.abs(np.asarray(Image.open(out)).astype(int) - painted).max() <= 1
    assert run("style_transfer", str(photo), str(out)) == 1
    assert "cannot paint at once; choose a fast style network" in capsys.readouterr().err


def test_a_canvas_cannot_paint_another_picture_at_once() -> None:
    with pytest.raises(CapabilityError, match="choose a fast style network"):
        stylize_image(small_canvas(), picture())
    with pytest.raises(CapabilityError, match="trained for"):
        next(small_network().stylize(tensor()[:, :1], tensor()[:, :1]))
    assert capabilities.of(small_canvas()) == ("stylizing", "painting")
    assert capabilities.of(small_network()) == ("stylizing",)
