"""Service of the paint page for priors over codes: sampling, completion, edits of codes, code maps."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import torch
from PIL import Image

from genmodels.errors import CapabilityError, ConfigError
from genmodels.runs import catalog
from genmodels.service import paint
from genmodels.service.inference import sheet_png
from genmodels.service.paint import PaintRequest, codes, files
from genmodels.service.paint import inputs as paint_inputs
from tests.support.codes import CODES, save_code_models
from tests.support.painting import runs as runs


@pytest.fixture(autouse=True)
def models(runs: Path) -> None:
    save_code_models(runs)


def test_a_prior_paints_codes_and_a_vqvae_alone_does_not() -> None:
    infos = {info.name: info for info in paint.checkpoints()}
    assert "codes" in infos
    assert "stage" not in infos
    assert paint.has_codes(infos["codes"])
    assert not paint.has_codes(infos["plain"])
    known = paint.facts("codes")
    assert (known.channels, known.height, known.width, known.levels, known.cell) == (1, 7, 7, CODES, 4)
    with pytest.raises(CapabilityError, match="plain does not sample codes"):
        codes.sample(PaintRequest(model="plain", count=1))
    with pytest.raises(CapabilityError, match="codes does not paint pixel by pixel"):
        paint.begin(PaintRequest(model="codes", count=1))
    with pytest.raises(ConfigError, match="top_k = 17 is not allowed: choose 1 to 16"):
        codes.sample(PaintRequest(model="codes", count=1, top_k=17))
    with pytest.raises(ConfigError, match="given = 7 rows are not allowed: choose 0 to 6"):
        codes.sample(PaintRequest(model="codes", count=1), torch.zeros(1, 1, 28, 28), 7)


def test_images_are_those_of_the_library() -> None:
    images = codes.sample(PaintRequest(model="codes", seed=5, count=3))
    model = catalog.load("codes")
    alone = model.sample(1, generator=torch.Generator().manual_seed(7))  # type: ignore[operator]
    torch.testing.assert_close(images.canvas[2], alone[0], atol=1e-5, rtol=0)
    assert images.labels is not None
    torch.testing.assert_close(model.decode_codes(images.codes), images.canvas, atol=1e-5, rtol=0)  # type: ignore[operator]
    sevens = codes.sample(PaintRequest(model="codes", seed=5, count=3, label=7))
    assert sevens.labels == (7, 7, 7)
    assert Image.open(io.BytesIO(sheet_png(images.canvas, 3))).size == (3 * 28, 28)
    assert Image.open(io.BytesIO(files.grid_png(images.canvas))).width > 400


def test_a_completion_keeps_the_codes_of_the_given_rows_and_sees_nothing_else() -> None:
    image = paint_inputs.test_image("codes", 3).pixels
    changed = image.clone()
    changed[:, :, 16:] = 1
    request = PaintRequest(model="codes", seed=1, count=2)
    model = catalog.load("codes")
    assert not torch.equal(model.encode_codes(image)[:, :4], model.encode_codes(changed)[:, :4])  # type: ignore[operator]
    one, two = codes.sample(request, image, 4), codes.sample(request, changed, 4)
    assert torch.equal(one.codes, two.codes)
    assert torch.equal(one.codes[0, :4], one.codes[1, :4])
    assert not torch.equal(one.codes[0, 4:], one.codes[1, 4:])
    assert not torch.equal(one.codes[0, :4], codes.sample(request).codes[0, :4])


def test_a_code_is_changed_and_the_rest_sampled_again() -> None:
    images = codes.sample(PaintRequest(model="codes", seed=2, count=2))
    before = codes.as_codes(images.codes[1])
    other = (before[3][2] + 1) % CODES
    after = codes.changed(before, 3, 2, other, CODES)
    assert [(r, c) for r in range(7) for c in range(7) if after[r][c] != before[r][c]] == [(3, 2)]
    same = codes.resampled(images, 1, before, 3, 2)
    assert same == before, "with the numbers of the seed"
    again = codes.resampled(images, 1, after, 3, 2, attempt=1)
    flat, given = [sum(rows, ()) for rows in (again, after)]
    assert flat[: 3 * 7 + 3] == given[: 3 * 7 + 3]
    assert flat != given
    for wrong in ((7, 0), (0, -1)):
        with pytest.raises(ConfigError, match=r"(row|column) = .* choose 0 to 6"):
            codes.changed(before, *wrong, 0, CODES)
    with pytest.raises(ConfigError, match="code = 16 is not allowed: choose 0 to 15"):
        codes.changed(before, 0, 0, CODES, CODES)


def test_the_alternatives_of_a_code_are_the_most_probable_ones() -> None:
    images = codes.sample(PaintRequest(model="codes", seed=2, count=2))
    grid = codes.as_codes(images.codes[1])
    choice = codes.choice(images, 1, grid, 2, 5, count=4)
    assert images.labels is not None
    model = catalog.load("codes")
    condition = {"label": torch.tensor(images.labels[1:])}
    own = model.code_logits(images.codes[1:], condition=condition)[0, 2, 5].softmax(0)  # type: ignore[operator]
    assert [code for code, _ in choice.alternatives] == own.topk(4).indices.tolist()
    assert [probability for _, probability in choice.alternatives] == pytest.approx(own.topk(4).values.tolist())
    assert choice.current == (grid[2][5], pytest.approx(float(own[grid[2][5]])))
    assert len(choice.pngs) == len(set(choice.pngs)) == 4
    assert Image.open(io.BytesIO(choice.pngs[0])).size == (28, 28)


def test_the_code_map_has_one_colour_per_code() -> None:
    images = codes.sample(PaintRequest(model="codes", seed=2, count=1))
    grid = codes.as_codes(images.codes[0])
    pair = Image.open(io.BytesIO(codes.pair_png(images.request, grid)))
    assert pair.size == (56, 28)
    cells = {}
    for row in range(7):
        for column in range(7):
            cells.setdefault(grid[row][column], set()).add(pair.getpixel((28 + 4 * column + 1, 4 * row + 1)))
    assert all(len(colours) == 1 for colours in cells.values())
    assert len(set.union(*cells.values())) == len(cells)


def test_colours_follow_the_principal_components() -> None:
    """Vectors on a line get colours in the order of the line."""
    line = torch.tensor([[3.0, 0.0], [1.0, 0.1], [2.0, 0.0], [0.0, 0.05]])
    red = codes.code_colours(line)[:, 0]
    assert red.argsort().tolist() in ([3, 1, 2, 0], [0, 2, 1, 3])
    assert codes.code_colours(line).shape == (4, 3)
    assert float(codes.code_colours(torch.randn(9, 5)).min()) == 0
