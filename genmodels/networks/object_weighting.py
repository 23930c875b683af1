"""Adversarial losses weighted with object masks: the background is neither judged nor imitated.

An object mask M has 1 on the objects of a training image (`images/object_masks.py`). Means of scores become means
weighted with 0.1 + 0.9 M, and a generator's own mask m follows M where M is certain.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

_BACKGROUND = 0.1
"""Weight of a background pixel; an object's is 1."""
_CERTAIN = 0.1
"""Object masks within this of 0 or 1 are certain."""
_LEAST = 1e-3
"""Added to a mask before its logarithm."""


class WeightedImages(NamedTuple):
    """Images (B, C, H, W), and their object masks (B, 1, H, W) in [0, 1] if there are any."""

    images: Tensor
    objects: Tensor | None

    @property
    def weight(self) -> Tensor | None:
        """(B, 1, H, W) in [0.1, 1]; None without masks."""
        return None if self.objects is None else _BACKGROUND + (1 - _BACKGROUND) * self.objects


def on_both(loss: Callable[..., Tensor], scores: Tensor, weight: Tensor | None) -> Tensor:
    """`loss` of the first half of the scores, of real images, plus that of the second half, of translations."""
    on_real, on_fake = scores.chunk(2)
    of_real, of_fake = (None, None) if weight is None else weight.chunk(2)
    return loss(on_real, real=True, weight=of_real) + loss(on_fake, real=False, weight=of_fake)


def at_size(weight: Tensor | None, scores: Tensor) -> Tensor | None:
    """The mean weight of each score's part of the image, in the shape of `scores` (B, 1, h, w)."""
    return None if weight is None else F.adaptive_avg_pool2d(weight, (scores.shape[2], scores.shape[3]))


def mask_loss(mask: Tensor, objects: Tensor) -> Tensor:
    """Cross entropy of m with M where M is below 0.1 or above 0.9, 0 elsewhere; both (B, 1, H, W) in [0, 1].

    Unlike that of |m - M| its gradient does not vanish for a mask that is closed where it should be open.
    """
    certain = (objects < _CERTAIN) | (objects > 1 - _CERTAIN)
    nats = -torch.where(objects > 0.5, mask + _LEAST, 1 - mask + _LEAST).log()
    return (nats * certain).mean()
