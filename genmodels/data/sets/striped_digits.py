"""Style transfer that needs no network: the digits, and a small style image of diagonal stripes."""

from __future__ import annotations

import numpy as np

from genmodels.data.dataset import FixedImages
from genmodels.data.sets import digits
from genmodels.data.spec import Arrays, Split

_SIDE = 32
SPEC = digits.SPEC.replace(
    name="striped_digits",
    title="Digits and a striped style (no download)",
    provides=("image", "label", "content", "style"),
    source=digits.SPEC.source + "; the stripes are computed",
)


class StripedDigits(FixedImages):
    def read(self, split: Split) -> Arrays:
        """The digits, the first of which is the content image, and the stripes uint8 (1, 1, 32, 32)."""
        arrays = digits.DATASET.read(split)
        down, right = np.mgrid[:_SIDE, :_SIDE]
        stripes = np.rint(127.5 + 127.5 * np.sin((down + 2 * right) * (2 * np.pi / 12)))
        return Arrays(images=arrays.images, labels=arrays.labels, style=stripes.astype(np.uint8)[None, None])


DATASET = StripedDigits(SPEC)
