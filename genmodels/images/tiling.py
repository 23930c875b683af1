"""Where a picture's tiles lie and how they are mixed where they meet."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

BLEND = 16
"""Pixels to either side of a border where two tiles are mixed."""


def up(value: int, multiple: int) -> int:
    """The next multiple that is not less."""
    return -(-value // multiple) * multiple


def cores(length: int, core: int, multiple: int) -> Iterator[tuple[int, int]]:
    """Equal parts of `length`, each at most `core` long and a multiple; the last may be shorter."""
    parts = -(-length // core)
    size = up(-(-length // parts), multiple)
    for start in range(0, length, size):
        yield start, min(length, start + size)


def ramp(start: int, end: int, first: int, last: int, length: int) -> Tensor:
    """Weight of each pixel first ... last - 1 of a tile that answers for start ... end - 1; tiles' weights sum to 1."""
    at = torch.arange(first, last) + 0.5
    weight = torch.ones(last - first)
    if start > 0:
        weight = weight * ((at - start) / (2 * BLEND) + 0.5).clamp(0, 1)
    if end < length:
        weight = weight * ((end - at) / (2 * BLEND) + 0.5).clamp(0, 1)
    return weight
