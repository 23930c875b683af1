"""Real images to complete or to score: test images of the model's data, or the visitor's own drawing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from genmodels.data import DataConfig, DataSpec, get_spec, missing
from genmodels.data.loader import to_float
from genmodels.errors import CapabilityError, DataError
from genmodels.images import drawing, preview
from genmodels.runs import catalog
from genmodels.runs.folder import RunFolder
from genmodels.service.dataset_images import test_images
from genmodels.service.inference import plain

_SIDE, _BOX = 28, 20
_FRAME, _OPEN = (90, 104, 110), (28, 58, 62)


@dataclass(frozen=True)
class KnownImage:
    """An image (1, C, H, W) in [-1, 1], and its class if known."""

    pixels: Tensor
    label: int | None


def accepts_drawings(name: str) -> bool:
    """Whether the model's images have the format of a drawn digit: grey, 28 x 28."""
    return RunFolder(catalog.find(plain(name))).spec().data_spec.image_shape == (1, _SIDE, _SIDE)


def test_data(name: str) -> DataSpec | None:
    """The data of the test images: the model's own, else digits on this machine; None if neither is available."""
    config = _config(name)
    return None if config is None else get_spec(config)


def unseen(name: str) -> bool:
    """Whether the test images are from the model's own data; from other data, it may have seen them in training."""
    return _config(name) == RunFolder(catalog.find(plain(name))).spec().data


def test_count(name: str) -> int:
    """The number of test images."""
    config = _config(name)
    return 0 if config is None else len(test_images(config).images)


def test_image(name: str, index: int) -> KnownImage:
    """Test image `index` of the model's data; raises DataError if the data or the image does not exist."""
    config = _config(name)
    if config is None:
        raise DataError(f"the pictures that {name} was trained on are not here; fetch them on the Data page")
    arrays = test_images(config)
    if not 0 <= index < len(arrays.images):
        raise DataError(f"test picture {index} does not exist; choose 0 to {len(arrays.images) - 1:,}")
    pixels = to_float(torch.from_numpy(arrays.images[index : index + 1].copy()))
    classes = len(get_spec(config).classes)
    return KnownImage(pixels, int(arrays.labels[index]) if classes else None)


def drawn_digit(name: str, ink: np.ndarray, *, centred: bool) -> KnownImage:
    """A drawing (white on black, uint8 (140, 140)) as an image: centred like MNIST's, or where it was drawn.

    Raises EmptyDrawingError if nothing is drawn, CapabilityError if the model's images have another format.
    """
    if not accepts_drawings(name):
        raise CapabilityError(f"{name} was trained on other pictures than digits of 28 x 28; choose a test picture")
    if centred:
        return KnownImage(drawing.to_mnist(ink).unsqueeze(0), None)
    if drawing.is_empty(ink):
        raise drawing.EmptyDrawingError("nothing is drawn yet; draw the upper part of a digit")
    small = np.asarray(Image.fromarray(ink).resize((_SIDE, _SIDE), Image.Resampling.BOX))
    return KnownImage(to_float(torch.from_numpy(small.copy())[None, None]), None)


def guide_png(known_rows: int) -> bytes:
    """The background of the canvas: the box that digits fill, and the rows that the model will sample."""
    scale = drawing.CANVAS_SIDE // _SIDE
    image = Image.new("RGB", (drawing.CANVAS_SIDE,) * 2)
    pen = ImageDraw.Draw(image)
    pen.rectangle((0, known_rows * scale, drawing.CANVAS_SIDE, drawing.CANVAS_SIDE), fill=_OPEN)
    low, high = (_SIDE - _BOX) // 2 * scale, (_SIDE + _BOX) // 2 * scale
    pen.rectangle((low, low, high, high), outline=_FRAME)
    return preview.png(image, compress_level=1)


def _config(name: str) -> DataConfig | None:
    spec = RunFolder(catalog.find(plain(name))).spec()
    for config in (spec.data, DataConfig(name="mnist"), DataConfig()):
        if missing(config) is None and get_spec(config).image_shape == spec.data_spec.image_shape:
            return config
    return None
