"""Two image domains that need no network: half of the 5,000 digits as they are, and the other half inverted.

The smallest translation task: white on black to black on white, and back.
"""

from __future__ import annotations

import numpy as np

from genmodels.data.dataset import FixedImages
from genmodels.data.sets import digits
from genmodels.data.spec import Arrays, Split

SPEC = digits.SPEC.replace(
    name="digits2inverted",
    title="Digits and inverted digits (no download)",
    provides=("image", "label", "image_a", "image_b"),
    num_classes=2,
    classes=("white on black", "black on white"),
    pairs=digits.SPEC.train_size // 2,
    source=digits.SPEC.source + "; every second one inverted",
)


class InvertedDigits(FixedImages):
    def read(self, split: Split) -> Arrays:
        """Images uint8 (N, 1, 28, 28); labels int64 (N,), 0 as they are, 1 inverted. No digit is in both domains."""
        images = digits.DATASET.read(split).images
        labels = np.arange(len(images)) % 2
        inverted = labels[:, None, None, None] == 1
        return Arrays(images=np.where(inverted, 255 - images, images).astype(np.uint8), labels=labels)


DATASET = InvertedDigits(SPEC)
