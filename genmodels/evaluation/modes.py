"""Modes of Stacked MNIST that a generator covers (Metz et al., arXiv 1611.02163), counted as in arXiv 1712.04086."""

from __future__ import annotations

import torch
from torch import Tensor

from genmodels.data.spec import DataSpec
from genmodels.evaluation import reference_classifier

MODES = 1_000


def applies_to(spec: DataSpec) -> bool:
    """Whether the images are three stacked digits."""
    return spec.image_shape == (3, 28, 28) and spec.num_classes == MODES


def measure(generated: Tensor) -> dict[str, float]:
    """`modes/found`, the modes with at least one sample, and `modes/kl`, KL(samples || uniform) in nats.

    `generated` is (N, 3, 28, 28) in [-1, 1]; published figures use N = 26,000. The reference classifier reads each
    channel.
    """
    channels = generated.flatten(0, 1).unsqueeze(1)  # (3 N, 1, 28, 28)
    digits = reference_classifier.predictions(channels).view(-1, 3)
    return of_modes(digits @ torch.tensor([100, 10, 1]))


def of_modes(modes: Tensor) -> dict[str, float]:
    """The metrics of mode numbers (N,), 0 to 999."""
    counts = torch.bincount(modes, minlength=MODES).double()
    fractions = counts[counts > 0] / counts.sum()
    return {
        "modes/found": float((counts > 0).sum()),
        "modes/kl": float((fractions * (fractions * MODES).log()).sum()),
    }
