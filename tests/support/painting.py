"""Untrained pixel models and finished paintings."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import torch
from PIL import Image

from genmodels.service import paint
from genmodels.service.paint import Painting, PaintRequest
from tests.support.runs import save_run

SMALL = ("data.name=digits", "model.channels=6")
GATED = (*SMALL, "model.dilations=[1,2]")


def save_pixel_models(root: Path) -> None:
    """Untrained models: grey and class-conditional, binary, plain, and with colours."""
    save_run(root, "asked", "mnist_gated_pixelcnn", *GATED, "model.levels=16")
    save_run(root, "binary", "mnist_pixelcnn_binary", *GATED)
    save_run(root, "plain", "mnist_pixelcnn", *SMALL, "model.layers=2", "model.levels=8", "model.kernel_size=3")
    save_run(root, "vae", "mnist_vae_20", "data.name=digits")


def save_colours(root: Path, folder: Path) -> None:
    for kind, number in itertools.product(("reds", "greens"), range(4)):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        colour = (40 * number, 0, 9) if kind == "reds" else (0, 40 * number, 9)
        Image.new("RGB", (8, 8), colour).save(folder / kind / f"{number}.png")
    save_run(
        root, "colours", "cifar10_gated_pixelcnn", "data.name=image_folder", f"data.path={folder}", "data.size=8",
        "model.channels=6", "model.dilations=[1]", "model.levels=4", "train.batch_size=4",
    )  # fmt: skip


@pytest.fixture
def runs(only_judge: Path, own_folders: Path) -> Path:
    """Untrained runs, and the published reference classifier as the only checkpoint."""
    save_pixel_models(own_folders)
    return own_folders


def painted(request: PaintRequest, image: torch.Tensor | None = None, known_rows: int = 0) -> Painting:
    painting = paint.begin(request, image, known_rows)
    paint.advance(painting, painting.height)
    return painting
