"""Stacked MNIST: three random digits as the red, green and blue channel, 1,000 modes (arXiv 1611.02163).

A generator that collapses misses modes: a digit classifier applied to each channel counts those that it generates.
`stacked_mnist` is made from MNIST, `stacked_digits` from the 5,000 digits that need no download.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from genmodels.data.dataset import Downloadable, FixedImages
from genmodels.data.sets import digits, mnist
from genmodels.data.sets.idx_set import IdxSet
from genmodels.data.spec import Arrays, DataSpec, Split

MODES = 1_000
_SEEDS = {"train": 0, "test": 1}


def _spec(base: DataSpec, name: str, title: str, train_size: int, test_size: int) -> DataSpec:
    return base.replace(
        name=name,
        title=title,
        image_shape=(3, 28, 28),
        num_classes=MODES,
        classes=tuple(f"{mode:03d}" for mode in range(MODES)),
        train_size=train_size,
        test_size=test_size,
        source=base.source + "; three random digits stacked as colours (Metz et al., arXiv 1611.02163)",
    )


class StackedDigits(FixedImages):
    """Random triples of the base set's images, equally many per class: the number of the red, green and blue digit."""

    def __init__(self, spec: DataSpec, base: FixedImages) -> None:
        super().__init__(spec)
        self.base = base

    def read(self, split: Split) -> Arrays:
        """Images uint8 (N, 3, 28, 28), labels int64 (N,) 0 to 999; the same triples at every call."""
        single = self.base.read(split)
        random = np.random.default_rng(_SEEDS[split])
        labels = random.permutation(np.arange(self.size(split)) % MODES)
        digit_of = labels[:, None] // [100, 10, 1] % 10  # (N, 3)
        rows = np.empty_like(digit_of)
        for digit in range(10):
            places = digit_of == digit
            rows[places] = random.choice(np.flatnonzero(single.labels == digit), places.sum())
        return Arrays(images=single.images[rows, 0], labels=labels)


class StackedDownload(Downloadable, StackedDigits):
    """The same, of a set that has to be downloaded."""

    def __init__(self, spec: DataSpec, base: IdxSet) -> None:
        StackedDigits.__init__(self, spec, base)
        self._base = base

    def locate(self) -> Path | None:
        return self._base.locate()

    def fetch(self) -> None:
        self._base.fetch()


DATASETS = (
    StackedDownload(_spec(mnist.SPEC, "stacked_mnist", "Stacked MNIST (1,000 modes)", 60_000, 10_000), mnist.DATASET),
    StackedDigits(
        _spec(digits.SPEC, "stacked_digits", "Stacked digits (1,000 modes, no download)", 20_000, 2_000), digits.DATASET
    ),
)
