"""Preprocessing of drawn or photographed digits to MNIST's format; without it every model misclassifies them.

MNIST's digits were "size normalized to fit in a 20x20 pixel box while preserving their aspect ratio" and centred in
28x28 "by computing the center of mass of the pixels" (LeCun, Bottou, Bengio, Haffner 1998, doi 10.1109/5.726791,
section III.A).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFilter
from torch import Tensor

from genmodels.data.formats import image_files
from genmodels.data.sandbox import image_decoders
from genmodels.errors import DataError
from genmodels.images import preview

SUFFIXES = image_files.SUFFIXES
CANVAS_SIDE = 140
"""Side in pixels of the image that the canvas sends: five for each pixel of MNIST."""
_SIDE, _BOX = 28, 20
# All steps work at ten times MNIST's resolution, so that the last is an exact average of 10x10 pixels.
_FINE = 10
_PHOTO_SIDE = 280
_MAX_SIDE = 4096
_SMOOTH = 4  # strokes are drawn at this multiple of the canvas's resolution
# Stroke widths in MNIST's pixels: 1 % of its test digits are thinner than 1.5, 1 % wider than 5.1.
_THIN, _WIDE = 1.6, 6.0
# Ink below this fraction of the strongest is paper grain, the shadow of a hand, or the soft edge of a stroke.
_GRAIN = 0.2


class EmptyDrawingError(DataError):
    """The drawing has no ink."""


def from_canvas(text: str) -> np.ndarray:
    """The canvas's message, base64 of grey bytes, as uint8 (140, 140), white ink on black.

    Raises DataError if it is anything else.
    """
    length = CANVAS_SIDE**2
    expected = 4 * -(-length // 3)
    if not isinstance(text, str) or len(text) != expected:
        raise DataError(f"a drawing is {expected:,} characters of base64; send what the canvas reports")
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise DataError(f"a drawing is base64 of {length:,} grey bytes: {error}") from error
    if len(raw) != length:
        raise DataError(f"a drawing has {CANVAS_SIDE} x {CANVAS_SIDE} = {length:,} pixels, not {len(raw):,}")
    return np.frombuffer(raw, dtype=np.uint8).reshape(CANVAS_SIDE, CANVAS_SIDE)


def from_strokes(strokes: Sequence[Sequence[tuple[float, float]]], width: float) -> np.ndarray:
    """Strokes through points in [0, 1] x [0, 1], as uint8 (140, 140), white ink on black.

    `width` is a fraction of the side. As on the canvas, ends are round, and quadratic curves connect the middles of
    neighbouring points.
    """
    side = CANVAS_SIDE * _SMOOTH
    image = Image.new("L", (side, side))
    pen, radius = ImageDraw.Draw(image), (width * side - 1) / 2  # Pillow's ellipse includes both borders
    for stroke in strokes:
        points = np.array(stroke) * side  # (n, 2)
        middles = np.concatenate([points[:1], (points[1:] + points[:-1]) / 2, points[-1:]])
        for start, bend, end in zip(middles, points, middles[1:], strict=False):
            for t in np.linspace(0, 1, _SMOOTH * 16):
                x, y = (1 - t) ** 2 * start + 2 * t * (1 - t) * bend + t**2 * end
                pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    return np.asarray(image.resize((CANVAS_SIDE, CANVAS_SIDE), Image.Resampling.BOX))


def ink_png(ink: np.ndarray) -> bytes:
    """Ink, uint8 (H, W), as a PNG: white with the ink as opacity, so that the canvas can continue it."""
    white = Image.new("L", ink.shape[::-1], 255)
    return preview.png(Image.merge("LA", (white, Image.fromarray(ink))), compress_level=1)


def from_file(raw: bytes) -> np.ndarray:
    """An uploaded photograph or drawing as uint8 (280, 280), white ink on black.

    The EXIF orientation is applied and the centre cropped to a square. Dark ink on light paper is inverted, uneven
    light removed. A transparent image gets the background, black or white, with more contrast. Raises DataError, with
    the reason, if the file cannot be read.
    """
    try:
        candidates = image_decoders.decode_onto(raw, _PHOTO_SIDE, 1, (0, 255))
    except DataError as error:
        raise DataError(f"this picture cannot be read: {error}, or choose another picture") from error
    return _white_on_black(max((pixels[0] for pixels in candidates), key=lambda grey: float(grey.std())))


def _white_on_black(grey: np.ndarray) -> np.ndarray:
    """Grey pixels uint8 (H, W) without the paper: 0 on paper, 255 at the strongest ink.

    Paper lighter than mid-grey at the border means dark ink. The paper's brightness is estimated at every position.
    """
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    image = Image.fromarray(255 - grey if np.median(border) > 127 else grey).filter(ImageFilter.MedianFilter(3))
    height, width = grey.shape
    # The minimum over a quarter of the page, wider than any stroke, is the paper there.
    small = image.resize((40, 40), Image.Resampling.BOX).filter(ImageFilter.MinFilter(11))
    paper = small.filter(ImageFilter.GaussianBlur(4)).resize((width, height), Image.Resampling.BICUBIC)
    ink = np.asarray(image).astype(np.float32) - np.asarray(paper)
    strongest = float(np.percentile(ink, 99.5))
    if strongest < 24:  # of 255: a blank page with paper grain
        return np.zeros_like(grey)
    return np.asarray((ink / strongest - _GRAIN).clip(0, 1 - _GRAIN) * (255 / (1 - _GRAIN))).astype(np.uint8)


def is_empty(ink: np.ndarray) -> bool:
    """Whether a drawing, uint8 (H, W), white on black, has no ink."""
    return int(ink.max(initial=0)) < 16


def to_mnist(image: Image.Image | np.ndarray) -> Tensor:
    """White ink on black, an image or uint8 (H, W), in MNIST's format: float32 (1, 28, 28) in [-1, 1].

    The ink's bounding box is scaled to fit 20x20 pixels, keeping the aspect ratio, with its centre of mass in the
    middle. Strokes thinner than MNIST's thinnest are widened; a dot stays a dot. Raises EmptyDrawingError if there is
    no ink, DataError for another shape or dtype.
    """
    grey = np.asarray(image.convert("L")) if isinstance(image, Image.Image) else image
    if grey.ndim != 2 or grey.dtype != np.uint8 or not 1 <= min(grey.shape) <= max(grey.shape) <= _MAX_SIDE:
        raise DataError(
            f"a drawing is one grey image of at most {_MAX_SIDE} x {_MAX_SIDE} bytes, not {grey.dtype} {grey.shape}"
        )
    if is_empty(grey):
        raise EmptyDrawingError("nothing is drawn yet; draw a digit, or choose an image that shows one")
    fine = _widened(_boxed(_cropped(grey)))
    return _centred(fine)


def _cropped(grey: np.ndarray) -> np.ndarray:
    """The ink's bounding box, scaled to a maximum of 255."""
    inked = grey > _GRAIN * int(grey.max())
    rows, columns = np.flatnonzero(inked.any(1)), np.flatnonzero(inked.any(0))
    part = grey[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].astype(np.float32)
    return np.asarray(part * (255 / part.max())).astype(np.uint8)


def _boxed(part: np.ndarray, box: int = _BOX * _FINE) -> np.ndarray:
    """Scaled so that the longer side fills the box, or less if the strokes would be wider than MNIST's widest."""
    side = max(part.shape)
    scale = min(box / side, _WIDE * _FINE / _stroke_width(part))
    height, width = (max(1, round(length * scale)) for length in part.shape)
    return np.asarray(Image.fromarray(part).resize((width, height), Image.Resampling.BICUBIC))


def _widened(fine: np.ndarray) -> np.ndarray:
    """Strokes dilated to MNIST's thinnest; shrunk first, so that the bounding box stays."""
    missing = _THIN * _FINE - _stroke_width(fine)
    if missing < 1:
        return fine
    radius = round(missing / 2)
    shrunk = [max(1, length - 2 * radius) for length in fine.shape]
    image = Image.fromarray(fine).resize((shrunk[1], shrunk[0]), Image.Resampling.BICUBIC)
    small = np.asarray(image)
    return _dilated(np.asarray(small * (255 / max(1, int(small.max())))).astype(np.uint8), radius)


def _dilated(part: np.ndarray, radius: int) -> np.ndarray:
    """Grey dilation with a disc of `radius`. Pillow's MaxFilter crashes the process on small images."""
    height, width = part.shape
    wide = np.zeros((height + 2 * radius, width + 2 * radius), dtype=np.uint8)
    for down in range(2 * radius + 1):
        for right in range(2 * radius + 1):
            if (down - radius) ** 2 + (right - radius) ** 2 <= radius**2:
                place = wide[down : down + height, right : right + width]
                np.maximum(place, part, out=place)
    return wide


def _centred(fine: np.ndarray) -> Tensor:
    """Placed with its centre of mass in the middle, and averaged to float32 (1, 28, 28) in [-1, 1]."""
    side = _SIDE * _FINE
    weights = fine.astype(np.float64)
    page = np.zeros((side, side), dtype=np.float32)
    corner = []
    for axis, length in enumerate(fine.shape):
        along = weights.sum(1 - axis)
        middle = float((along * (np.arange(length) + 0.5)).sum() / along.sum())
        corner.append(min(max(round(side / 2 - middle), 0), side - length))
    top, left = corner
    page[top : top + fine.shape[0], left : left + fine.shape[1]] = fine
    small = page.reshape(_SIDE, _FINE, _SIDE, _FINE).mean((1, 3))
    return torch.from_numpy(small).mul_(2 / 255).sub_(1).unsqueeze(0)


def _stroke_width(part: np.ndarray) -> float:
    """Mean stroke width in pixels: twice the area divided by the length of the outline."""
    inked = np.pad(part > 127, 1)
    inner = inked[1:-1, 1:-1] & inked[:-2, 1:-1] & inked[2:, 1:-1] & inked[1:-1, :-2] & inked[1:-1, 2:]
    area = float(inked.sum())
    return max(1.0, 2 * area / max(1.0, area - float(inner.sum())))
