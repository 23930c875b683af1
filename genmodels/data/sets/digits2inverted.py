"""Two kinds of pictures that need no network: half of the 5,000 digits as they are, and the other half inverted.

The smallest task of translation there is: black on white to white on black, and back.
"""

from __future__ import annotations

import numpy as np

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


def load(split: Split) -> Arrays:
    """Images uint8 (N, 1, 28, 28); labels int64 (N,), 0 as they are, 1 inverted. No digit is in both kinds."""
    images = digits.load(split).images
    labels = np.arange(len(images)) % 2
    return Arrays(images=np.where(labels[:, None, None, None], 255 - images, images).astype(np.uint8), labels=labels)
