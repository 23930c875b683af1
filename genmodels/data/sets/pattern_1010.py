"""The 1010 pattern of the GAN book: four values, high, low, high, low, each with a little noise."""

from __future__ import annotations

import numpy as np

from genmodels.data.dataset import FixedImages
from genmodels.data.spec import Arrays, DataSpec, Split

SPEC = DataSpec(
    name="pattern_1010",
    title="The 1010 pattern",
    provides=("image",),
    image_shape=(1, 1, 4),
    train_size=10_000,
    test_size=1_000,
    target=(1.0, 0.0, 1.0, 0.0),
    licence="none needed: it is generated from random numbers",
    source="the 1010 pattern of a GAN book: uniform(0.8, 1), (0, 0.2), (0.8, 1), (0, 0.2)",
)


class Pattern(FixedImages):
    def read(self, split: Split) -> Arrays:
        """Images uint8 (N, 1, 1, 4): 1, 0, 1, 0 up to 0.2 away; labels are all 0."""
        count = self.size(split)
        noise = np.random.default_rng(0 if split == "train" else 1).uniform(0.0, 0.2, (count, 1, 1, 4))
        values = np.abs(np.array([1.0, 0.0, 1.0, 0.0]) - noise)
        return Arrays(images=np.round(values * 255).astype(np.uint8), labels=np.zeros(count, np.int64))


DATASET = Pattern(SPEC)
