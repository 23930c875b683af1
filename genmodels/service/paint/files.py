"""Paintings as images: a sheet for the page, a grid and an animation as files."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from PIL import Image
from torch import Tensor

from genmodels.images import preview
from genmodels.sampling.pixels import UNKNOWN
from genmodels.service import paint
from genmodels.service.fair_queue import queued
from genmodels.service.gif import encode
from genmodels.service.inference import enlarge
from genmodels.service.paint import Painting, PaintRequest, codes, inputs

_FRAMES, _PAUSE = 48, 1_500  # frames of an animation, and how long the last one is shown in milliseconds


def grid_png(canvas: Tensor, side: int = 168) -> bytes:
    """Images (N, C, H, W) in [-1, 1] in rows, each about `side` pixels wide."""
    columns = _columns(canvas)
    return preview.png(enlarge(preview.grid(canvas, columns, scale=1, pad=1), side * columns))


def painted_png(request: PaintRequest, index: int | None = None, known_rows: int = 0) -> bytes:
    """The images of a request as `grid_png`; with `index`, completions of a test image of which `known_rows` are kept.

    Raises what `paint.begin` and `inputs.test_image` raise.
    """
    image = None if index is None else inputs.test_image(request.model, index).pixels
    if paint.facts(request.model).cell > 1:
        return grid_png(codes.sample(request, image, known_rows).canvas)
    painting = paint.begin(request, image, known_rows)
    paint.advance(painting, painting.height)
    return grid_png(painting.canvas)


def gif(painting: Painting, side: int = 112, milliseconds: int = 70) -> bytes:
    """A looping GIF of the sampling, pixel by pixel; pixels that are not sampled yet are grey."""
    height, width = painting.canvas.shape[2:]
    first, last = painting.known_rows * width, painting.rows * width
    columns = _columns(painting.canvas)
    order = torch.arange(height * width).view(height, width)

    def frames() -> Iterator[Image.Image]:
        for index in range(_FRAMES + 1):
            shown = first + round((last - first) * index / _FRAMES)
            part = torch.where(order < shown, painting.canvas, UNKNOWN)
            yield enlarge(preview.grid(part, columns, scale=1, pad=1), side * columns)

    durations = [milliseconds] * _FRAMES + [_PAUSE]
    with queued():
        return encode(frames(), one_palette=painting.canvas.shape[1] == 3, duration=durations, loop=0)


def _columns(canvas: Tensor) -> int:
    return min(len(canvas), 4 if len(canvas) <= 8 else 8)
