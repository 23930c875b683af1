"""Pure loss functions, computed in float32 whatever the forward pass used. Each is tested against a hand-made value."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


def adversarial_loss(
    logits: Tensor, real: bool, kind: Literal["bce", "mse"] = "bce", *, smoothing: float = 0.0
) -> Tensor:
    """How far a discriminator's logits (B,) or (B, 1) are from saying `real`; the mean over the batch.

    bce: -log D or -log(1 - D) with D = sigmoid(logits); ln 2 = 0.693 where D cannot decide (arXiv 1406.2661).
    mse: (D - 1)^2 or D^2; 0.25 where D cannot decide.
    With one-sided label smoothing (arXiv 1606.03498) the target of real is 1 - smoothing; that of fake stays 0.
    """
    logits = logits.float()
    if real and smoothing:
        target = torch.full_like(logits, 1 - smoothing)
        if kind == "bce":
            return F.binary_cross_entropy_with_logits(logits, target)
        return (torch.sigmoid(logits) - target).square().mean()
    if kind == "bce":
        # -log sigmoid(x) = softplus(-x): no logarithm of a rounded zero
        return F.softplus(-logits if real else logits).mean()
    return (torch.sigmoid(logits) - float(real)).square().mean()


class AdversarialIdeal(NamedTuple):
    """Where a GAN's curves end if generated images cannot be told from real ones."""

    discriminator: float
    """Half of the summed loss, as the curve shows it."""
    generator: float
    score: float
    """D(x), the same for real and generated images."""


def adversarial_ideal(kind: Literal["bce", "mse"] = "bce", *, smoothing: float = 0.0) -> AdversarialIdeal:
    """The best that D can do against a perfect generator, and the generator's loss there.

    D sees an image with target 1 - smoothing as often as with target 0. Both losses are smallest at their mean, so
    D = (1 - smoothing) / 2. The generator's own target stays 1.
    """
    target = 1 - smoothing
    score = target / 2
    if kind == "mse":
        return AdversarialIdeal(((score - target) ** 2 + score**2) / 2, (1 - score) ** 2, score)
    of_real = -target * math.log(score) - smoothing * math.log(1 - score)
    return AdversarialIdeal((of_real - math.log(1 - score)) / 2, -math.log(score), score)


def least_squares_loss(scores: Tensor, real: bool) -> Tensor:
    """mean (D - 1)^2 or mean D^2 over all of a discriminator's scores, of any shape, unbounded (arXiv 1611.04076).

    No sigmoid: a score far on the right side is pulled back too, and one on the wrong side has a slope that grows.
    0.25 where D says one half to everything.
    """
    return (scores.float() - float(real)).square().mean()


def critic_loss(real: Tensor, fake: Tensor) -> Tensor:
    """mean f(fake) - mean f(real): what a critic f minimises (arXiv 1701.07875); minus its estimate of the distance.

    No hinge: it is linear in the scores, and unbounded but for what keeps the critic Lipschitz.
    """
    return fake.float().mean() - real.float().mean()


def gradient_penalty(critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, mix: Tensor) -> Tensor:
    """mean (|grad f(x)| - 1)^2 at x = mix * real + (1 - mix) * fake (arXiv 1704.00028); lengths and mean in float32.

    `mix` (B, 1, 1, 1) is drawn from U(0, 1), one number a picture; the norm is over all of a picture's pixels.
    """
    x = torch.lerp(fake.float(), real.float(), mix).requires_grad_(True)
    (gradient,) = torch.autograd.grad(critic(x).float().sum(), x, create_graph=True)
    length: Tensor = gradient.flatten(1).norm(dim=1)
    return (length - 1).square().mean()


def bernoulli_nll(logits: Tensor, target: Tensor) -> Tensor:
    """Nats an example (B,): binary cross entropy summed over all but the first axis; target in [0, 1]."""
    return F.binary_cross_entropy_with_logits(logits.float(), target.float(), reduction="none").flatten(1).sum(1)


def bernoulli_entropy(target: Tensor) -> Tensor:
    """Nats per example (B,): the least `bernoulli_nll` that any prediction reaches, at a perfect copy of the target.

    0 for black and white targets; the grey edges of an MNIST digit have 45 nats on average.
    """
    target = target.float().flatten(1)
    entropy: Tensor = (torch.special.entr(target) + torch.special.entr(1 - target)).sum(1)
    return entropy


def gaussian_kl(mu: Tensor, logvar: Tensor) -> Tensor:
    """KL(N(mu, exp(logvar)) || N(0, I)) in nats an example (B,): 1/2 sum(mu^2 + var - 1 - log var)."""
    mu, logvar = mu.float(), logvar.float()
    return 0.5 * (mu.square() + logvar.exp() - 1 - logvar).sum(1)


def gram_matrix(features: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, C, C) float32: how strongly each two channels answer together, the mean over all places.

    The products are taken in the features' own format; in bfloat16 they are a quarter of the time of float32.
    """
    # Channels-last maps are seen as (B, HW, C) without a copy.
    gram: Tensor = _Gram.apply(features.permute(0, 2, 3, 1).flatten(1, 2))
    return gram


class _Gram(torch.autograd.Function):
    """F^T F / N of F (B, N, C). Its gradient F (dG + dG^T) / N is one product; autograd takes two and adds them."""

    @staticmethod
    def forward(ctx: Any, flat: Tensor) -> Tensor:
        ctx.save_for_backward(flat)
        return torch.bmm(flat.mT, flat).float() / flat.shape[1]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (flat,) = ctx.saved_tensors
        both = (gradients[0] + gradients[0].mT) / flat.shape[1]
        return torch.bmm(flat, both.to(flat.dtype))


def relative_square(found: Tensor, target: Tensor) -> Tensor:
    """|found - target|^2 / |target|^2 of each example, the mean over the batch; 1 is as far off as zeros would be.

    `target` (1 or B, ...) may be one for the whole batch.
    """
    found, target = found.float(), target.float()
    off = (found - target).square().flatten(1).sum(1)
    return (off / target.square().flatten(1).sum(1).clamp_min(1e-12)).mean()


def total_variation(x: Tensor) -> Tensor:
    """Mean squared difference of neighbours, below and beside, of pictures (B, C, H, W); each in [-1, 1]."""
    x = x.float()
    below, beside = x.diff(dim=2).square(), x.diff(dim=3).square()
    return below.sum() / max(1, below.numel()) + beside.sum() / max(1, beside.numel())
