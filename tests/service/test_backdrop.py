"""The images behind the latent pad: each is what the explorer shows at its place."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from genmodels import service
from genmodels.service import Point, backdrop
from genmodels.service.backdrop import SIDE, Backdrop
from tests.support.runs import SMALL_CGAN, save_run


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "runs"
    monkeypatch.setenv("GENMODELS_RUNS", str(root))
    save_run(root, "vae", "mnist_vae_20", "data.name=digits")
    save_run(root, "cgan", "mnist_cgan_embedding", *SMALL_CGAN)
    return root


def pixels(image: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(image)).convert("L")).astype(int)


def check(images: Backdrop, point_at: Callable[[int, int], Point]) -> None:
    sheet = images.sheet()
    assert sheet.kind == "png"
    shown = pixels(sheet.image)
    side = shown.shape[0] // SIDE
    for row, column in ((0, 0), (0, SIDE - 1), (2, 5), (SIDE - 1, 3)):
        alone = pixels(service.render(point_at(row, column), judged=False).png)
        tile = shown[row * side : (row + 1) * side, column * side : (column + 1) * side]
        assert np.abs(alone - tile).max() <= 1, "another batch may round otherwise"


@pytest.mark.parametrize("model", ["vae", "cgan"])
def test_each_image_is_that_of_the_middle_of_its_part(runs: Path, model: str) -> None:
    label = 3 if model == "cgan" else None
    point = Point(model=model, step=10, seed=7, axes="principal", offsets=(0.5, -1, 2), label=label)

    def point_at(row: int, column: int) -> Point:
        x, y = (3 * (2 * index + 1 - SIDE) / SIDE for index in (column, SIDE - 1 - row))
        return point.replace(offsets=(y, -1, x))

    check(backdrop.of_directions(point, 2, 0, 3.0), point_at)


def test_seeds_are_where_the_seed_plane_has_them(runs: Path) -> None:
    point = Point(model="vae", step=10, seed=205, offsets=(0, 1))
    images = backdrop.of_seeds(point, (2, 8), (0, 6))
    check(images, lambda row, column: point.replace(plane=(2 + column, SIDE - 1 - row)))
    check(images, lambda row, column: point.replace(seed=100 * (SIDE - 1 - row) + 2 + column))


def test_what_the_pad_itself_moves_needs_no_other_images(runs: Path) -> None:
    point = Point(model="vae", step=10, seed=7, offsets=(0.5, -1, 2))
    images = backdrop.of_directions(point, 0, 1, 3.0)
    assert images.cached is None
    sheet = images.sheet()
    moved = point.replace(offsets=(-2, 1, 2))
    assert backdrop.of_directions(moved, 0, 1, 3.0).cached == sheet
    assert backdrop.of_directions(point.replace(offsets=(0.5, -1, 1)), 0, 1, 3.0).cached is None
    shutil.rmtree(runs / "vae")
    save_run(runs, "vae", "mnist_vae_20", "data.name=digits", "train.seed=5")
    assert images.cached is None, "the step was written again"
