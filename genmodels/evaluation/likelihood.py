"""What a picture costs: exact log likelihood of test pictures, in nats and in bits a dimension."""

from __future__ import annotations

import math

import torch

from genmodels.capabilities import Condition, SupportsLevels, SupportsLikelihood
from genmodels.data.loader import to_float
from genmodels.data.spec import Arrays
from genmodels.model import Model

BINARY_SEED = 0
"""Of the draw that makes test pictures binary: one draw for all models, so that their nats can be compared."""
_BATCH = 500


def measure(model: SupportsLikelihood, arrays: Arrays) -> dict[str, float]:
    """`likelihood/nats`: -log p of a picture, the mean; `likelihood/bits_per_dim`: the same in bits, a value.

    A conditional model is told each picture's class. Grey values that training draws are drawn once, with BINARY_SEED,
    on the CPU in the order of the set: the same test set on every machine and for every model.
    """
    generator = torch.Generator().manual_seed(BINARY_SEED)
    total, count = 0.0, len(arrays.images)
    for start in range(0, count, _BATCH):
        x = to_float(torch.from_numpy(arrays.images[start : start + _BATCH].copy()))
        x = model.to_levels(x, generator=generator) if isinstance(model, SupportsLevels) else x
        asked: Condition = None
        if isinstance(model, Model):
            x = x.to(model.device)
            if "label" in model.conditions:
                asked = {"label": torch.from_numpy(arrays.labels[start : start + _BATCH].copy())}
        total -= float(model.log_prob(x, condition=asked).double().sum())
    nats = total / count
    return {"likelihood/nats": nats, "likelihood/bits_per_dim": nats / math.prod(arrays.images.shape[1:]) / math.log(2)}
