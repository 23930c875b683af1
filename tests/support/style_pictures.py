"""Smooth images, and small models of both style transfer families."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from genmodels.models.fast_style import FastStyle
from genmodels.models.style_transfer import StyleTransfer
from tests.conftest import small_model

SHALLOW = {
    "style_relu3_1": 0,
    "style_relu4_1": 0,
    "style_relu5_1": 0,
    "content_relu4_2": 0,
    "content_relu2_2": 1,
}
"""Settings that use VGG's first two blocks only: fast, and images may be small."""


def picture(width: int = 48, height: int = 32, seed: int = 0) -> np.ndarray:
    """A smooth image, uint8 (H, W, 3)."""
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 6, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def tensor(width: int = 48, height: int = 32, seed: int = 0) -> Tensor:
    return torch.from_numpy(picture(width, height, seed).copy()).permute(2, 0, 1)[None].float() / 127.5 - 1


def small_canvas(**settings: Any) -> StyleTransfer:
    model = small_model("style_transfer", **settings)
    assert isinstance(model, StyleTransfer)
    return model


def small_network(**settings: Any) -> FastStyle:
    model = small_model("fast_style", **settings)
    assert isinstance(model, FastStyle)
    return model
