"""Parts that stand for the whole; and error bars: a figure of five fifths of the pictures, how far they lie apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from genmodels.data.spec import Arrays

SPLITS = 5
_FEWEST = 2  # pictures a split


def shuffled(arrays: Arrays, first: int | None = None) -> Arrays:
    """The examples, or the `first` of them, in a random order that is always the same: any part stands for the whole.

    MNIST's own order is not random: our judge misreads 28 of the first 5,000 test digits and 8 of the others, and the
    first 10,000 training digits are 5.7 from the test digits in its features, where a part at random is 4.1.
    """
    order = np.random.default_rng(0).permutation(len(arrays.images))[:first]
    return replace(arrays, images=arrays.images[order], labels=arrays.labels[order])


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
