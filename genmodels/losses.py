"""Pure loss functions, computed in float32 whatever the forward pass used. Each is tested against a hand-made value."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor


def adversarial_loss(logits: Tensor, real: bool, kind: Literal["bce", "mse"]) -> Tensor:
    """How far a discriminator's logits (B,) or (B, 1) are from saying `real`; the mean over the batch.

    bce: -log D or -log(1 - D) with D = sigmoid(logits); ln 2 = 0.693 where D cannot decide (arXiv 1406.2661).
    mse: (D - 1)^2 or D^2; 0.25 where D cannot decide.
    """
    logits = logits.float()
    if kind == "bce":
        # -log sigmoid(x) = softplus(-x): no logarithm of a rounded zero
        return F.softplus(-logits if real else logits).mean()
    return (torch.sigmoid(logits) - float(real)).square().mean()


def bernoulli_nll(logits: Tensor, target: Tensor) -> Tensor:
    """Nats an example (B,): binary cross entropy summed over all but the first axis; target in [0, 1]."""
    return F.binary_cross_entropy_with_logits(logits.float(), target.float(), reduction="none").flatten(1).sum(1)


def gaussian_kl(mu: Tensor, logvar: Tensor) -> Tensor:
    """KL(N(mu, exp(logvar)) || N(0, I)) in nats an example (B,): 1/2 sum(mu^2 + var - 1 - log var)."""
    mu, logvar = mu.float(), logvar.float()
    return 0.5 * (mu.square() + logvar.exp() - 1 - logvar).sum(1)
