"""What pages that send whole photographs through a network share: tile by tile, shown small, kept for the next time."""

from __future__ import annotations

import hashlib
import io
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from PIL import Image

from genmodels.images import preview, tiled
from genmodels.images.tiled import Progress, Way
from genmodels.model import Model
from genmodels.service.fair_queue import outside, queued
from genmodels.service.inference import run

SHOWN = 1024
"""Pixels of the longer side of what a page shows, at most."""
TILE = 512
"""Side of a tile, which is what another visitor may have to wait for: a second with the largest network."""
_LARGE = 4_000_000  # pixels
_EXACT = 256**2  # pixels in all of what a page shows exactly
_KEPT_BYTES = 256 * 2**20

T = TypeVar("T")


@dataclass(frozen=True)
class Shown:
    """A picture for a page, at most 1,024 pixels a side; `kind` is png or jpeg."""

    image: bytes
    kind: str
    width: int
    height: int


def shown(pixels: np.ndarray) -> Shown:
    """Small or transparent pictures exactly, others as JPEG: a page sends it with every answer."""
    image = Image.fromarray(pixels)
    image.thumbnail((SHOWN, SHOWN), Image.Resampling.LANCZOS)
    if image.mode == "RGBA" or image.width * image.height <= _EXACT:
        return Shown(preview.png(image), "png", image.width, image.height)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=90)
    return Shown(buffer.getvalue(), "jpeg", image.width, image.height)


_two_large = threading.BoundedSemaphore(2)


def stepwise(model: Model, colours: np.ndarray, way: Way, on_progress: Progress | None) -> np.ndarray:
    """uint8 (H, W, 3) through a network, each tile a task of its own for the inference thread.

    Of large pictures, which are held in up to 0.4 GB each, two are at work and others wait: it takes no longer, as one
    thread works for all.
    """
    large = colours.shape[0] * colours.shape[1] > _LARGE
    with queued(), _two_large if large else nullcontext():
        return _stepwise(model, colours, way, on_progress)


def _stepwise(model: Model, colours: np.ndarray, way: Way, on_progress: Progress | None) -> np.ndarray:
    steps = tiled.translating(model, colours, way, tile=TILE)

    def task() -> tuple[int, int] | np.ndarray:
        try:
            return next(steps)
        except StopIteration as end:
            found: np.ndarray = end.value
            return found

    while not isinstance(step := run(task, divided=True), np.ndarray):
        if on_progress is not None:
            with outside():
                on_progress(*step)
    return step


_kept: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
_lock = threading.Lock()


def once(what: type[T], wishes: Hashable, raw: bytes, make: Callable[[], tuple[T, int]]) -> T:
    """What `make` makes, with its bytes; kept by its type, wishes and the file's content, the oldest go first."""
    at = (what, wishes, hashlib.blake2b(raw, digest_size=16).digest())
    with _lock:
        if at in _kept:
            _kept.move_to_end(at)
            found: T = _kept[at][0]
            return found
    made = make()
    with _lock:
        _kept[at] = made
        while len(_kept) > 1 and sum(size for _, size in _kept.values()) > _KEPT_BYTES:
            _kept.popitem(last=False)
    return made[0]
