"""Small images behind a pad: what a model generates over two of its directions, or over the seed plane."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from PIL import Image

from genmodels.capabilities import SupportsLatent
from genmodels.images import preview
from genmodels.service.cache import LRU
from genmodels.service.fair_queue import background
from genmodels.service.inference import ModelKey, condition_of, key_of, model_of, run
from genmodels.service.latent import Point, examples_for, z_of

SIDE = 7
"""Images along each direction."""
_PIXELS = 32  # largest side of an image: the whole sheet goes to the browser with the pad


class Sheet(NamedTuple):
    """An encoded image of SIDE x SIDE generated images; `kind` is png or jpeg."""

    image: bytes
    kind: str


@dataclass(frozen=True)
class Backdrop:
    """A sheet that need not be computed yet: the point, and the coordinates of the outer images in both directions.

    `axes` are two directions; without them the coordinates are columns and rows of the seed plane.
    """

    point: Point
    x_range: tuple[float, float]
    y_range: tuple[float, float]
    axes: tuple[int, int] | None = None

    @property
    def cached(self) -> Sheet | None:
        """The sheet if it was computed before."""
        return _sheets.get((key_of(self.point.model, self.point.step), self))

    def sheet(self) -> Sheet:
        """The sheet; computed as background work. Raises what `service.render` raises."""
        points = list(self._points())
        examples = examples_for(*points)

        def task() -> Sheet:
            model, key = model_of(self.point.model, self.point.step)
            assert isinstance(model, SupportsLatent)
            z = torch.stack([z_of(model, key, point, examples) for point in points])
            pixels = model.decode(z, condition=condition_of(model, [point.label for point in points]))
            return _encoded(preview.grid(pixels.float(), SIDE, scale=1, pad=0))

        def make() -> Sheet:
            with background():
                return run(task, divided=True)

        return _sheets.get_or_compute((key_of(self.point.model, self.point.step), self), make)

    def _points(self) -> Iterator[Point]:
        columns, rows = _ticks(*self.x_range), _ticks(*self.y_range)
        for row in reversed(rows):
            for column in columns:
                if self.axes is None:
                    yield self.point.replace(plane=(column, row))
                else:
                    yield self.point.replace(offsets=_moved(self.point.offsets, self.axes, (column, row)))


_sheets: LRU[tuple[ModelKey, Backdrop], Sheet] = LRU(64)


def of_directions(point: Point, x: int, y: int, limit: float) -> Backdrop:
    """Images over [-limit, limit] along directions `x` and `y`, each of the middle of its part.

    The other offsets are those of `point`.
    """
    outer = limit * (1 - 1 / SIDE)
    still = point.replace(offsets=_moved(point.offsets, (x, y), (0.0, 0.0)))
    return Backdrop(still, (-outer, outer), (-outer, outer), (x, y))


def of_seeds(point: Point, x_range: tuple[float, float], y_range: tuple[float, float]) -> Backdrop:
    """Images over a part of the seed plane; its ends are the coordinates of the outer images."""
    return Backdrop(point.replace(plane=None, seed=0), x_range, y_range)


def _ticks(low: float, high: float) -> list[float]:
    return [low + (high - low) * index / (SIDE - 1) for index in range(SIDE)]


def _moved(offsets: tuple[float, ...], axes: tuple[int, int], values: tuple[float, float]) -> tuple[float, ...]:
    moved = [*offsets, *[0.0] * (max(axes) + 1 - len(offsets))]
    for axis, value in zip(axes, values, strict=True):
        moved[axis] = value
    return tuple(moved)


def _encoded(image: Image.Image) -> Sheet:
    factor = min(1.0, _PIXELS * SIDE / max(image.size))
    if factor < 1:
        size = round(image.width * factor), round(image.height * factor)
        image = image.resize(size, Image.Resampling.BOX)
    if image.mode == "L":
        return Sheet(preview.png(image, compress_level=1), "png")
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=85)
    return Sheet(buffer.getvalue(), "jpeg")
