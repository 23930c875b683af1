"""Positions of an image's tiles, and their weights where they overlap."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

BLEND = 16
"""Two tiles are blended over so many pixels on either side of the border between their cores."""


def round_up(value: int, multiple: int) -> int:
    """The smallest multiple of `multiple` that is not less than `value`."""
    return -(-value // multiple) * multiple


def cores(length: int, core: int, multiple: int) -> Iterator[tuple[int, int]]:
    """(start, end) of equal parts of `length`: multiples of `multiple`, at most `core`; the last may be shorter."""
    parts = -(-length // core)
    size = round_up(-(-length // parts), multiple)
    for start in range(0, length, size):
        yield start, min(length, start + size)


def blend_weights(start: int, end: int, first: int, last: int, length: int) -> Tensor:
    """Weights (last - first,) of the pixels of a tile whose core is start to end, of an image side of `length`.

    The weights of all tiles sum to 1 at every pixel.
    """
    at = torch.arange(first, last) + 0.5
    weights = torch.ones(last - first)
    if start > 0:
        weights = weights * ((at - start) / (2 * BLEND) + 0.5).clamp(0, 1)
    if end < length:
        weights = weights * ((end - at) / (2 * BLEND) + 0.5).clamp(0, 1)
    return weights
