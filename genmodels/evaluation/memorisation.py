"""Was it learned by heart? Drawn pictures beside all training pictures, by their pixels.

A model that copies one picture in three has a median that looks like new, so two figures are given: how near drawn
pictures come as a rule, and how many of them come nearer than test pictures ever do.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from genmodels.data.loader import to_float
from genmodels.evaluation.splits import with_spreads

_CHUNK = 2_000
_MOST, _FEWEST = 1_000, 100  # pictures a side: 1,000 against MNIST's 60,000 take three seconds of a core
_PRODUCTS = 3e11  # larger training sets are searched for fewer pictures, never searched in part
_SAME = 1e-3  # a distance below this is none
RARE = 0.01  # share of test pictures that count as suspiciously near, and so of new ones


def measure(drawn: Tensor, test: Tensor, train: np.ndarray, *, mirrored: bool = False) -> dict[str, float]:
    """Of pictures (N, C, H, W) in [-1, 1] and training pictures uint8 (M, C, H, W), all of which are searched.

    memory/nearest_ratio   median distance of drawn pictures to the nearest training picture, by that of test pictures
    memory/copied_fraction    share of drawn pictures nearer to one than all but 1 % of the test pictures: 0.01 is new

    `mirrored` compares with the mirror image of each training picture, too. Both with spreads. At most 1,000 drawn and
    1,000 test pictures, evenly taken, are searched for. Empty where test pictures stand in the training set themselves.
    """
    count = int(min(_MOST, max(_FEWEST, _PRODUCTS / (2 * train.size * (2 if mirrored else 1)))))
    some_drawn, some_test = _evenly(drawn, count), _evenly(test, count)
    distances = nearest(torch.cat([some_drawn, some_test]), train, mirrored=mirrored)
    of_drawn, of_test = distances[: len(some_drawn)], distances[len(some_drawn) :]
    usual, rare = float(of_test.median()), float(of_test.quantile(RARE))
    if usual < _SAME:
        return {}

    def measured(part: Tensor) -> dict[str, float]:
        return {
            "memory/nearest_ratio": float(part.median()) / usual,
            "memory/copied_fraction": float((part <= max(rare, _SAME)).float().mean()),
        }

    return with_spreads(measured, of_drawn)


def nearest(queries: Tensor, train: np.ndarray, *, mirrored: bool = False) -> Tensor:
    """Euclidean distance (N,) of pictures (N, C, H, W) in [-1, 1] to the nearest of uint8 (M, C, H, W)."""
    asked = torch.cat([queries, queries.flip(3)]) if mirrored else queries  # cheaper than to mirror the training set
    asked = asked.flatten(1).float().cpu()
    best, index = torch.full((len(asked),), torch.inf), torch.zeros(len(asked), dtype=torch.int64)
    for start in range(0, len(train), _CHUNK):
        pool = to_float(torch.from_numpy(train[start : start + _CHUNK].copy())).flatten(1)
        # |a - b|^2 less |a|^2, which is the same for every b: one matrix product
        apart, place = (pool.square().sum(1) - 2 * asked @ pool.T).min(1)
        closer = apart < best
        best, index = torch.where(closer, apart, best), torch.where(closer, place + start, index)
    # Anew by difference: products leave a copy at a distance of 0.01 to 0.05 from itself.
    rows = range(0, len(asked), _CHUNK)
    found = torch.cat([_apart(asked[row : row + _CHUNK], index[row : row + _CHUNK], train) for row in rows])
    return found.view(2, -1).amin(0) if mirrored else found


def _apart(asked: Tensor, index: Tensor, train: np.ndarray) -> Tensor:
    return (asked - to_float(torch.from_numpy(train[index.numpy()])).flatten(1)).square().sum(1).sqrt()


def _evenly(pictures: Tensor, count: int) -> Tensor:
    """At most `count`, spread over the whole."""
    if len(pictures) <= count:
        return pictures
    return pictures[torch.linspace(0, len(pictures) - 1, count).long()]
