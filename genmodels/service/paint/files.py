"""Paintings as files: a sheet for the page, a grid and an animation for keeping."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from PIL import Image

from genmodels.images import preview
from genmodels.sampling.pixels import UNPAINTED
from genmodels.service.fair_queue import queued
from genmodels.service.gif import encode
from genmodels.service.inference import enlarge
from genmodels.service.paint import Painting

_FRAMES, _REST = 48, 1_500  # pictures of an animation, and how long it rests on the last, in milliseconds


def sheet_png(painting: Painting) -> bytes:
    """All pictures side by side, a pixel a pixel."""
    return preview.png(preview.grid(painting.canvas, len(painting.canvas), scale=1, pad=0), compress_level=1)


def kept_png(painting: Painting, side: int = 168) -> bytes:
    """The pictures in rows for keeping, each about `side` pixels wide."""
    columns = _columns(painting)
    return preview.png(enlarge(preview.grid(painting.canvas, columns, scale=1, pad=1), side * columns))


def gif(painting: Painting, side: int = 112, milliseconds: int = 70) -> bytes:
    """An endless GIF of how the pictures were painted, pixel after pixel; grey is not painted yet."""
    height, width = painting.canvas.shape[2:]
    first, last = painting.given * width, painting.rows * width
    columns = _columns(painting)
    order = torch.arange(height * width).view(height, width)

    def frames() -> Iterator[Image.Image]:
        for index in range(_FRAMES + 1):
            shown = first + round((last - first) * index / _FRAMES)
            part = torch.where(order < shown, painting.canvas, UNPAINTED)
            yield enlarge(preview.grid(part, columns, scale=1, pad=1), side * columns)

    durations = [milliseconds] * _FRAMES + [_REST]
    with queued():
        return encode(frames(), one_palette=painting.canvas.shape[1] == 3, duration=durations, loop=0)


def _columns(painting: Painting) -> int:
    return min(len(painting.canvas), 4 if len(painting.canvas) <= 8 else 8)
