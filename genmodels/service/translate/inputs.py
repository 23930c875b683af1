"""Test images for the translate page, from the data that a model was trained on."""

from __future__ import annotations

import numpy as np
from PIL import Image

from genmodels import data
from genmodels.data import DataConfig
from genmodels.errors import DataError
from genmodels.images import preview
from genmodels.runs import catalog
from genmodels.runs.folder import RunFolder
from genmodels.service.dataset_images import test_images
from genmodels.service.inference import plain
from genmodels.service.large_images import ImageFile


def test_count(name: str, domain: int) -> int:
    """The number of test images of a domain (0 is A, 1 is B) in the data that a model was trained on.

    Raises UnknownNameError, and DataError if the data is not on this machine.
    """
    return len(_of_domain(_config(name), domain))


def test_image(name: str, domain: int, index: int) -> ImageFile:
    """A test image of a domain as a PNG file; raises DataError if the index or the data does not exist."""
    config = _config(name)
    rows = _of_domain(config, domain)
    if not 0 <= index < len(rows):
        raise DataError(f"test picture {index} does not exist; choose 0 to {len(rows) - 1:,}")
    pixels = test_images(config).images[rows[index]].transpose(1, 2, 0)
    image = Image.fromarray(pixels.squeeze(2) if pixels.shape[2] == 1 else pixels)
    return ImageFile(f"test-{index}.png", preview.png(image, compress_level=1))


def _config(name: str) -> DataConfig:
    return RunFolder(catalog.find(plain(name))).spec().data


def _of_domain(config: DataConfig, domain: int) -> np.ndarray:
    problem = data.missing(config)
    if problem is not None:
        raise DataError(problem)
    return np.flatnonzero(test_images(config).labels == domain)
