"""Exact log likelihood of test images, in nats per image and bits per dimension."""

from __future__ import annotations

import math

import torch

from genmodels.capabilities import Condition, SlowLikelihood, SupportsLevels, SupportsLikelihood
from genmodels.data.loader import to_float
from genmodels.data.spec import Arrays
from genmodels.model import Model

BINARY_SEED = 0
"""Seed for sampling binary test images: the same for all models, so that their nats are comparable."""
_BATCH = 500


def measure(model: SupportsLikelihood, arrays: Arrays) -> dict[str, float]:
    """`likelihood/nats`, the mean -log p per image, and `likelihood/bits_per_dim`, the same in bits per value.

    A conditional model is conditioned on each image's class. A model of binary pixels samples them once with
    BINARY_SEED, on the CPU in the order of the set: the same test set on every machine and for every model. A model
    whose likelihood is slow is measured on the first images of the set.
    """
    generator = torch.Generator().manual_seed(BINARY_SEED)
    total, count = 0.0, len(arrays.images)
    if isinstance(model, SlowLikelihood):
        count = min(count, model.likelihood_images)
    for start in range(0, count, _BATCH):
        x = to_float(torch.from_numpy(arrays.images[start : min(start + _BATCH, count)].copy()))
        x = model.to_levels(x, generator=generator) if isinstance(model, SupportsLevels) else x
        condition: Condition = None
        if isinstance(model, Model):
            x = x.to(model.device)
            if "label" in model.conditions:
                condition = {"label": torch.from_numpy(arrays.labels[start : min(start + _BATCH, count)].copy())}
        total -= float(model.log_prob(x, condition=condition).double().sum())
    nats = total / count
    return {"likelihood/nats": nats, "likelihood/bits_per_dim": nats / math.prod(arrays.images.shape[1:]) / math.log(2)}
