"""Cached images of data sets, which pages show, classify and compare with; read again if the file changes."""

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

MAX_TEST_IMAGES = 10_000
_TRAINING_IMAGES = 2_000
_IMAGE_BYTES = 64 * 2**20


def modified(config: DataConfig) -> int:
    """Modification time (ns) of a user's own set, which can be deleted and packed again under the same name; else 0."""
    try:
        return Path(config.path).stat().st_mtime_ns if config.path else 0
    except OSError:
        return 0  # loading reports what is missing


def test_images(config: DataConfig) -> Arrays:
    """The first 10,000 images of a test split, fewer if they are large."""
    return _test_images(config, modified(config))


def training_images(config: DataConfig) -> Tensor:
    """The first 2,000 training images, float32 (B, C, H, W) in [-1, 1]; the same tensor until the file changes."""
    return _training_images(config, modified(config))


def tile_png(pixels: Tensor) -> bytes:
    """One image (C, H, W) or (1, C, H, W) in [-1, 1] as a PNG of its own size."""
    return preview.png(to_image(pixels.view(1, *pixels.shape[-3:])), compress_level=1)


@lru_cache(maxsize=2)
def _test_images(config: DataConfig, written: int) -> Arrays:
    shape = data.get_spec(config).image_shape or (1, 1, 1)
    return data.load(config, "test", min(MAX_TEST_IMAGES, _IMAGE_BYTES // math.prod(shape)))


@lru_cache(maxsize=4)
def _training_images(config: DataConfig, written: int) -> Tensor:
    return to_float(torch.from_numpy(data.load(config, first=_TRAINING_IMAGES).images.copy()))
