"""Memorisation: are samples copies of training images? Pixel distances to all training images.

The median distance of a model that copies one image in three looks like that of new images. Hence two metrics: the
median distance, and the fraction of samples closer to a training image than nearly all test images.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from genmodels.data.loader import to_float
from genmodels.evaluation.splits import with_spreads

_CHUNK = 2_000
_MOST, _FEWEST = 1_000, 100  # images of each set: 1,000 against MNIST's 60,000 take three seconds of a core
_PRODUCTS = 3e11  # for larger training sets, fewer images are searched for, always in the whole set
_SAME = 1e-3  # smaller distances count as 0
RARE = 0.01  # fraction of test images that count as near-duplicates; about that of new images


def measure(generated: Tensor, test: Tensor, train: np.ndarray, *, mirrored: bool = False) -> dict[str, float]:
    """Of generated and test images (N, C, H, W) in [-1, 1], searched for in all training images, uint8 (M, C, H, W).

    memory/nearest_ratio   median nearest-neighbour distance of generated images, divided by that of test images
    memory/copied_fraction fraction of generated images nearer to one than 99 % of the test images: 0.01 is new

    Both with spreads. `mirrored` also searches the mirror images of the training images. At most 1,000 generated and
    1,000 test images, evenly spaced, are searched for. Empty if test images are part of the training set.
    """
    count = int(min(_MOST, max(_FEWEST, _PRODUCTS / (2 * train.size * (2 if mirrored else 1)))))
    some_generated, some_test = _evenly(generated, count), _evenly(test, count)
    distances = nearest(torch.cat([some_generated, some_test]), train, mirrored=mirrored)
    of_generated, of_test = distances[: len(some_generated)], distances[len(some_generated) :]
    median, rare = float(of_test.median()), float(of_test.quantile(RARE))
    if median < _SAME:
        return {}

    def measured(part: Tensor) -> dict[str, float]:
        return {
            "memory/nearest_ratio": float(part.median()) / median,
            "memory/copied_fraction": float((part <= max(rare, _SAME)).float().mean()),
        }

    return with_spreads(measured, of_generated)


def nearest(queries: Tensor, train: np.ndarray, *, mirrored: bool = False) -> Tensor:
    """Euclidean distance (N,) of images (N, C, H, W) in [-1, 1] to the nearest training image, uint8 (M, C, H, W)."""
    batch = torch.cat([queries, queries.flip(3)]) if mirrored else queries  # cheaper than to mirror the training set
    batch = batch.flatten(1).float().cpu()
    best, index = torch.full((len(batch),), torch.inf), torch.zeros(len(batch), dtype=torch.int64)
    for start in range(0, len(train), _CHUNK):
        pool = to_float(torch.from_numpy(train[start : start + _CHUNK].copy())).flatten(1)
        # |a - b|^2 - |a|^2, since |a|^2 is the same for every b: one matrix product
        apart, place = (pool.square().sum(1) - 2 * batch @ pool.T).min(1)
        closer = apart < best
        best, index = torch.where(closer, apart, best), torch.where(closer, place + start, index)
    # Computed again from differences: with products, a copy has a distance of 0.01 to 0.05.
    rows = range(0, len(batch), _CHUNK)
    distances = torch.cat([_distances(batch[row : row + _CHUNK], index[row : row + _CHUNK], train) for row in rows])
    return distances.view(2, -1).amin(0) if mirrored else distances


def _distances(batch: Tensor, index: Tensor, train: np.ndarray) -> Tensor:
    return (batch - to_float(torch.from_numpy(train[index.numpy()])).flatten(1)).square().sum(1).sqrt()


def _evenly(images: Tensor, count: int) -> Tensor:
    """At most `count` images, evenly spaced."""
    if len(images) <= count:
        return images
    return images[torch.linspace(0, len(images) - 1, count).long()]
