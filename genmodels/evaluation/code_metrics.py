"""Metrics of models with a discrete latent: reconstruction, use of the codebook, likelihood of the codes."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from genmodels.capabilities import Condition, SupportsCodes, SupportsCodeSampling
from genmodels.data.loader import to_float
from genmodels.data.spec import Arrays
from genmodels.losses import bernoulli_entropy
from genmodels.model import Model

_BATCH = 500
_SMALLEST = 1e-6
"""A predicted 0 or 1 has infinite loss if wrong."""


def measure(model: SupportsCodes, arrays: Arrays) -> dict[str, float]:
    """Metrics of `metric_table` on all images of a set.

    `reconstruction/squared_error` of decoded codes, for grey images also `reconstruction/nats` and
    `reconstruction/above_entropy`; `codes/used`, the fraction of the codebook that occurs, and `codes/perplexity`. With
    a prior, `codes/nats` per image and `codes/bits_per_code`, conditioned on each image's class if the prior is.
    """
    assert isinstance(model, Model)
    sums = {"nats": 0.0, "entropy": 0.0, "squared_error": 0.0, "code_nats": 0.0}
    parts: list[Tensor] = []
    count = len(arrays.images)
    for start in range(0, count, _BATCH):
        rows = slice(start, start + _BATCH)
        x = to_float(torch.from_numpy(arrays.images[rows].copy())).to(model.device)
        codes = model.encode_codes(x)
        decoded = model.decode_codes(codes).float()
        p, target = (image.add(1).mul(0.5) for image in (decoded, x))
        p = p.clamp(_SMALLEST, 1 - _SMALLEST)
        nats = -(torch.xlogy(target, p) + torch.xlogy(1 - target, 1 - p))
        sums["nats"] += float(nats.double().sum())
        sums["entropy"] += float(bernoulli_entropy(target).double().sum())
        sums["squared_error"] += float((decoded - x).square().flatten(1).mean(1).double().sum())
        if isinstance(model, SupportsCodeSampling):
            label = torch.from_numpy(arrays.labels[rows].copy())
            condition: Condition = {"label": label} if "label" in model.conditions else None
            sums["code_nats"] -= float(model.code_log_prob(codes, condition=condition).double().sum())
        parts.append(codes.cpu())
    codes = torch.cat(parts)
    metrics = {"reconstruction/squared_error": sums["squared_error"] / count}
    if arrays.images.shape[1] == 1:
        metrics["reconstruction/nats"] = sums["nats"] / count
        metrics["reconstruction/above_entropy"] = (sums["nats"] - sums["entropy"]) / count
    metrics |= codebook_use(codes, model.codebook_size)
    if isinstance(model, SupportsCodeSampling):
        metrics["codes/nats"] = sums["code_nats"] / count
        metrics["codes/bits_per_code"] = metrics["codes/nats"] / codes[0].numel() / math.log(2)
    return metrics


def codebook_use(codes: Tensor, size: int) -> dict[str, float]:
    """`codes/used`, the fraction of a codebook of `size` that occurs in codes int64, and `codes/perplexity`."""
    frequency = torch.bincount(codes.flatten(), minlength=size).double() / codes.numel()
    entropy = -float(torch.xlogy(frequency, frequency).sum())
    return {"codes/used": float((frequency > 0).double().mean()), "codes/perplexity": math.exp(entropy)}
