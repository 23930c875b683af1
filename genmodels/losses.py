"""Loss functions, computed in float32 whatever the format of the forward pass, each tested against values by hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from genmodels.model import Curve


def adversarial_loss(
    logits: Tensor, real: bool, kind: Literal["bce", "mse"] = "bce", *, smoothing: float = 0.0
) -> Tensor:
    """Loss of a discriminator's logits (B,) or (B, 1) for the target `real`, averaged over the batch.

    bce: -log D or -log(1 - D) with D = sigmoid(logits); ln 2 = 0.693 at D = 0.5 (arXiv 1406.2661).
    mse: (D - 1)^2 or D^2; 0.25 at D = 0.5.
    With one-sided label smoothing (arXiv 1606.03498) the target of real images is 1 - smoothing, that of fakes stays 0.
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
    """Values of a GAN's curves if generated images cannot be told from real ones."""

    discriminator: float
    """Half of the summed loss, as in the curve."""
    generator: float
    score: float
    """D(x), the same for real and generated images."""


def adversarial_ideal(kind: Literal["bce", "mse"] = "bce", *, smoothing: float = 0.0) -> AdversarialIdeal:
    """Losses of the optimal D against a perfect generator.

    D sees the same image with target 1 - smoothing as often as with target 0, so the optimal D is the mean of both,
    (1 - smoothing) / 2. The generator's own target stays 1.
    """
    target = 1 - smoothing
    score = target / 2
    if kind == "mse":
        return AdversarialIdeal(((score - target) ** 2 + score**2) / 2, (1 - score) ** 2, score)
    of_real = -target * math.log(score) - smoothing * math.log(1 - score)
    return AdversarialIdeal((of_real - math.log(1 - score)) / 2, -math.log(score), score)


def gan_curves(kind: Literal["bce", "mse"] = "bce", *, smoothing: float = 0.0) -> dict[str, Curve]:
    """The four curves of a GAN whose discriminator is a classifier, with their ideal values."""
    ideal = adversarial_ideal(kind, smoothing=smoothing)
    discriminator = "ln 2 = 0.693" if kind == "bce" and not smoothing else f"{ideal.discriminator:.3g}"
    generator = "ln 2 = 0.693" if kind == "bce" and not smoothing else f"{ideal.generator:.3g}"
    probability = f"Discriminator's mean probability that {{}} images are real; ideally {ideal.score:.3g}."
    return {
        "loss/discriminator": Curve(
            "discriminator",
            f"At {discriminator} it cannot tell real from fake; near 0 it wins and the generator learns little.",
            ideal.discriminator,
        ),
        "loss/generator": Curve(
            "generator", f"At {generator} its fakes pass as often as not; rising means it is losing.", ideal.generator
        ),
        "score/real": Curve("D(real)", probability.format("real"), ideal.score),
        "score/fake": Curve("D(fake)", probability.format("generated"), ideal.score),
    }


def weighted_mean(values: Tensor, weight: Tensor | None) -> Tensor:
    """sum(weight * values) / sum(weight) in float32; the mean without weights (of the same shape, not all 0)."""
    values = values.float()
    return values.mean() if weight is None else (values * weight).sum() / weight.sum()


def least_squares_loss(scores: Tensor, real: bool, weight: Tensor | None = None) -> Tensor:
    """mean (D - 1)^2 or mean D^2 over all of a discriminator's scores, of any shape, unbounded (arXiv 1611.04076).

    Without a sigmoid over-confident correct scores are penalised too, and gradients do not vanish for wrong ones.
    0.25 if D is 0.5 everywhere.
    """
    return weighted_mean((scores.float() - float(real)).square(), weight)


def hinge_loss(scores: Tensor, real: bool, weight: Tensor | None = None) -> Tensor:
    """mean max(0, 1 - D) or mean max(0, 1 + D): a discriminator's loss (Lim and Ye, arXiv 1705.02894); 1 at D = 0.

    A score that is right by a margin of 1 has no gradient. The generator minimises -mean D.
    """
    return weighted_mean(F.relu(1 - scores.float() if real else 1 + scores.float()), weight)


def critic_loss(real: Tensor, fake: Tensor) -> Tensor:
    """mean f(fake) - mean f(real): a critic's loss (arXiv 1701.07875), minus its estimate of the Wasserstein distance.

    Linear in the scores, without a hinge: only the critic's Lipschitz constant bounds it.
    """
    return fake.float().mean() - real.float().mean()


def gradient_penalty(critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, mix: Tensor) -> Tensor:
    """mean (|grad f(x)| - 1)^2 at x = mix * real + (1 - mix) * fake (arXiv 1704.00028); norms and mean in float32.

    `mix` (B, 1, 1, 1) is sampled from U(0, 1), one number per image; the norm is over all pixels of an image.
    """
    x = torch.lerp(fake.float(), real.float(), mix).requires_grad_(True)
    (gradient,) = torch.autograd.grad(critic(x).float().sum(), x, create_graph=True)
    norm: Tensor = gradient.flatten(1).norm(dim=1)
    return (norm - 1).square().mean()


def bernoulli_nll(logits: Tensor, target: Tensor) -> Tensor:
    """Nats per example (B,): binary cross entropy summed over all axes but the first; target in [0, 1]."""
    return F.binary_cross_entropy_with_logits(logits.float(), target.float(), reduction="none").flatten(1).sum(1)


def bernoulli_entropy(target: Tensor) -> Tensor:
    """Nats per example (B,): the smallest possible `bernoulli_nll`, reached by a perfect copy of the target.

    0 for black and white targets; the grey edges of an MNIST digit have 45 nats on average.
    """
    target = target.float().flatten(1)
    entropy: Tensor = (torch.special.entr(target) + torch.special.entr(1 - target)).sum(1)
    return entropy


def gaussian_kl(mu: Tensor, logvar: Tensor) -> Tensor:
    """KL(N(mu, exp(logvar)) || N(0, I)) in nats per example (B,): 1/2 sum(mu^2 + var - 1 - log var)."""
    mu, logvar = mu.float(), logvar.float()
    return 0.5 * (mu.square() + logvar.exp() - 1 - logvar).sum(1)


def gram_matrix(features: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, C, C) float32: the correlation of every pair of channels, averaged over positions.

    The product is in the format of the features: bfloat16 takes a quarter of float32's time.
    """
    flat = features.permute(0, 2, 3, 1).flatten(1, 2)  # (B, HW, C), without a copy of channels-last maps
    return torch.bmm(flat.mT, flat).float() / flat.shape[1]


def relative_square(x: Tensor, target: Tensor) -> Tensor:
    """|x - target|^2 / |target|^2 of each example, averaged over the batch; 1 for x = 0.

    `target` (1 or B, ...) may be one for the whole batch.
    """
    x, target = x.float(), target.float()
    error = (x - target).square().flatten(1).sum(1)
    return (error / target.square().flatten(1).sum(1).clamp_min(1e-12)).mean()


def total_variation(x: Tensor) -> Tensor:
    """Mean squared differences of vertical and of horizontal neighbours, summed, of images (B, C, H, W) in [-1, 1]."""
    x = x.float()
    vertical, horizontal = x.diff(dim=2).square(), x.diff(dim=3).square()
    return vertical.sum() / max(1, vertical.numel()) + horizontal.sum() / max(1, horizontal.numel())
