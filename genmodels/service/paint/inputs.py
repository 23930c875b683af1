"""Real pictures that a painting begins with: test pictures of the model's data, or the visitor's own drawing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from genmodels import catalog
from genmodels.data import DataConfig, DataSpec, get_spec, missing
from genmodels.data.loader import to_float
from genmodels.errors import CapabilityError, DataError
from genmodels.images import drawing, preview
from genmodels.runfolder import RunFolder
from genmodels.service.inference import plain
from genmodels.service.real_pictures import test_pictures

_SIDE, _BOX = 28, 20
_FRAME, _OPEN = (90, 104, 110), (28, 58, 62)


@dataclass(frozen=True)
class Given:
    """A picture (1, C, H, W) in [-1, 1], and its class where that is known."""

    pixels: Tensor
    label: int | None


def takes_drawings(name: str) -> bool:
    """Whether a drawn digit is a picture as the model has learned them: grey, 28 x 28."""
    return RunFolder(catalog.find(plain(name))).spec().data_spec.image_shape == (1, _SIDE, _SIDE)


def test_data(name: str) -> DataSpec | None:
    """Where test pictures for a model come from: its own data, else digits that are here; None where there are none."""
    config = _config(name)
    return None if config is None else get_spec(config)


def unseen(name: str) -> bool:
    """Whether the test pictures are of the set the model learned from; others, of the same shape, it may have seen."""
    return _config(name) == RunFolder(catalog.find(plain(name))).spec().data


def test_count(name: str) -> int:
    """How many test pictures there are to choose from; 0 where there are none."""
    config = _config(name)
    return 0 if config is None else len(test_pictures(config).images)


def test_picture(name: str, index: int) -> Given:
    """Test picture `index` of the model's data; raises DataError where that is not here or has no such picture."""
    config = _config(name)
    if config is None:
        raise DataError(f"the pictures that {name} has learned from are not here; fetch them on the Data page")
    arrays = test_pictures(config)
    if not 0 <= index < len(arrays.images):
        raise DataError(f"test picture {index} does not exist; choose 0 to {len(arrays.images) - 1:,}")
    pixels = to_float(torch.from_numpy(arrays.images[index : index + 1].copy()))
    classes = len(get_spec(config).classes)
    return Given(pixels, int(arrays.labels[index]) if classes else None)


def drawn_digit(name: str, ink: np.ndarray, *, centred: bool) -> Given:
    """A drawing (white on black, uint8 (140, 140)) as a picture: centred as MNIST's are, or where it was drawn.

    Raises EmptyDrawingError where nothing is drawn, CapabilityError for a model of other pictures.
    """
    if not takes_drawings(name):
        raise CapabilityError(f"{name} has learned other pictures than digits of 28 x 28; choose a test picture")
    if centred:
        return Given(drawing.to_mnist(ink).unsqueeze(0), None)
    if drawing.is_empty(ink):
        raise drawing.EmptyDrawingError("nothing is drawn yet; draw the upper part of a digit")
    small = np.asarray(Image.fromarray(ink).resize((_SIDE, _SIDE), Image.Resampling.BOX))
    return Given(to_float(torch.from_numpy(small.copy())[None, None]), None)


def guide_png(given: int) -> bytes:
    """What lies under the canvas: the box that digits fill, and below row `given` what the model will paint."""
    scale = drawing.CANVAS_SIDE // _SIDE
    image = Image.new("RGB", (drawing.CANVAS_SIDE,) * 2)
    pen = ImageDraw.Draw(image)
    pen.rectangle((0, given * scale, drawing.CANVAS_SIDE, drawing.CANVAS_SIDE), fill=_OPEN)
    low, high = (_SIDE - _BOX) // 2 * scale, (_SIDE + _BOX) // 2 * scale
    pen.rectangle((low, low, high, high), outline=_FRAME)
    return preview.png(image, compress_level=1)


def _config(name: str) -> DataConfig | None:
    spec = RunFolder(catalog.find(plain(name))).spec()
    for config in (spec.data, DataConfig(name="mnist"), DataConfig()):
        if missing(config) is None and get_spec(config).image_shape == spec.data_spec.image_shape:
            return config
    return None
