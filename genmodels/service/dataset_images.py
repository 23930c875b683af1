"""Real pictures that pages show, ask about and compare with, read once and kept until their file changes."""

from __future__ import annotations

import math
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from genmodels import data
from genmodels.data import Arrays, DataConfig
from genmodels.data.loader import to_float
from genmodels.images import preview
from genmodels.service.inference import to_image

MOST_TEST_PICTURES = 10_000
_TRAINING_PICTURES = 2_000
_IMAGE_BYTES = 64 * 2**20


def stamp(config: DataConfig) -> int:
    """When a user's own set was written: deleted and packed anew, it has the same name and other pictures."""
    try:
        return Path(config.path).stat().st_mtime_ns if config.path else 0
    except OSError:
        return 0  # loading says what is missing


def test_pictures(config: DataConfig) -> Arrays:
    """The first 10,000 pictures of a test split, fewer where they are large."""
    return _test_pictures(config, stamp(config))


def training_pictures(config: DataConfig) -> Tensor:
    """The first 2,000 training pictures, float32 (B, C, H, W) in [-1, 1]; the same tensor while the file stays."""
    return _training_pictures(config, stamp(config))


def tile_png(pixels: Tensor) -> bytes:
    """One picture (C, H, W) or (1, C, H, W) in [-1, 1] as a PNG of its own size."""
    return preview.png(to_image(pixels.view(1, *pixels.shape[-3:])), compress_level=1)


@lru_cache(maxsize=2)
def _test_pictures(config: DataConfig, written: int) -> Arrays:
    shape = data.get_spec(config).image_shape or (1, 1, 1)
    return data.load(config, "test", min(MOST_TEST_PICTURES, _IMAGE_BYTES // math.prod(shape)))


@lru_cache(maxsize=4)
def _training_pictures(config: DataConfig, written: int) -> Tensor:
    return to_float(torch.from_numpy(data.load(config, first=_TRAINING_PICTURES).images.copy()))
