"""Error bars: a figure of five fifths of the pictures, and how far they lie apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

SPLITS = 5
_FEWEST = 2  # pictures a split


def fifths(*tensors: Tensor) -> list[tuple[Tensor, ...]]:
    """Each tensor in five parts along its first axis; empty where a part would have fewer than two rows."""
    if min(map(len, tensors)) < SPLITS * _FEWEST:
        return []
    return list(zip(*(torch.tensor_split(tensor, SPLITS) for tensor in tensors), strict=True))


def spreads(parts: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """`name_spread`: the standard deviation of each figure over the parts; empty for fewer than two.

    A part is a fifth of the pictures, so this is about twice the error of the figure of all of them.
    """
    if len(parts) < 2:
        return {}
    values = {name: torch.tensor([part[name] for part in parts], dtype=torch.float64) for name in parts[0]}
    return {f"{name}_spread": float(value.std()) for name, value in values.items()}


def with_spreads(measure: Callable[..., dict[str, float]], *tensors: Tensor) -> dict[str, float]:
    """The figures that `measure` finds in whole tensors, and their spreads over fifths of these."""
    return measure(*tensors) | spreads([measure(*part) for part in fifths(*tensors)])
