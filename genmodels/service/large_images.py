"""Shared by pages that send images of any size through a network: files, tiles, image encoding, and a result cache."""

from __future__ import annotations

import hashlib
import io
import re
import threading
from collections.abc import Callable, Hashable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, TypeVar

import numpy as np
from PIL import Image

from genmodels.images import preview, tiled
from genmodels.images.tiled import Progress, Way
from genmodels.model import Model
from genmodels.service.cache import LRU
from genmodels.service.fair_queue import outside, queued
from genmodels.service.inference import run

DISPLAY_SIDE = 1024
"""Longer side, in pixels, of an image that a page shows."""
TILE = 512
"""Side of a tile in pixels. One tile is the longest slice of work: a second with the largest network."""
_LARGE = 4_000_000  # pixels
_PNG_PIXELS = 256**2  # images of at most so many pixels are shown without compression loss

T = TypeVar("T")


@dataclass(frozen=True)
class ImageFile:
    """An image file of a visitor; the name is only shown, and used to name the result."""

    name: str
    raw: bytes


def result_name(file: ImageFile, suffix: str) -> str:
    """The file name of a result: `pony.jpg` becomes `pony-zebra.png`."""
    stem, suffix = (re.sub(r"[^\w-]+", "_", part).strip("_")[:60] for part in (PurePath(file.name).stem, suffix))
    return f"{stem or 'picture'}-{suffix or 'translated'}.png"


@dataclass(frozen=True)
class Shown:
    """An encoded image for a page, at most DISPLAY_SIDE pixels per side; `kind` is png or jpeg."""

    image: bytes
    kind: str
    width: int
    height: int


def shown(pixels: np.ndarray) -> Shown:
    """Small or transparent images as PNG, others as JPEG, because a page sends them with every update."""
    image = Image.fromarray(pixels)
    image.thumbnail((DISPLAY_SIDE, DISPLAY_SIDE), Image.Resampling.LANCZOS)
    if image.mode == "RGBA" or image.width * image.height <= _PNG_PIXELS:
        return Shown(preview.png(image), "png", image.width, image.height)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=90)
    return Shown(buffer.getvalue(), "jpeg", image.width, image.height)


_two_large = threading.BoundedSemaphore(2)


def run_tiles(model: Model, colours: np.ndarray, way: Way, on_progress: Progress | None) -> np.ndarray:
    """uint8 (H, W, 3) through a network, each tile as one slice of background work.

    At most two large images (up to 0.4 GB each) are processed at a time; the others wait. This takes no longer, because
    one thread does all the work.
    """
    large = colours.shape[0] * colours.shape[1] > _LARGE
    with queued(), _two_large if large else nullcontext():
        return _run_tiles(model, colours, way, on_progress)


def _run_tiles(model: Model, colours: np.ndarray, way: Way, on_progress: Progress | None) -> np.ndarray:
    steps = tiled.translate_tiles(model, colours, way, tile=TILE)

    def task() -> tuple[int, int] | np.ndarray:
        try:
            return next(steps)
        except StopIteration as end:
            result: np.ndarray = end.value
            return result

    while not isinstance(step := run(task, divided=True), np.ndarray):
        if on_progress is not None:
            with outside():
                on_progress(*step)
    return step


_results: LRU[Hashable, tuple[Any, int]] = LRU(maxbytes=256 * 2**20, size_of=lambda entry: entry[1])


def cached(what: type[T], settings: Hashable, raw: bytes, make: Callable[[], tuple[T, int]]) -> T:
    """The result of `make`, which returns it with its size in bytes; cached by type, settings and the file's hash."""
    result: T = _results.get_or_compute((what, settings, hashlib.blake2b(raw, digest_size=16).digest()), make)[0]
    return result
