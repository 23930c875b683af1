"""Activation maximisation: gradient ascent on the image, towards the most typical image of a class.

Simonyan, Vedaldi and Zisserman 2014 (arXiv 1312.6034): the weights are fixed, the image x follows the gradient of

    log p / (1 - p), p = softmax(f(x))[c]   -   l2 * mean (x - m)^2 / v   -   tv * total variation(x)

with pixels x in [0, 1], m and v the mean and variance of each pixel over real images. Unlike log p, the log odds keep
growing when p is nearly 1. The gradients of classifiers differ a thousandfold, so the first term is divided by the mean
magnitude of its initial gradient: the penalty weights then mean the same for all.

Without regularisation a network is confident about images that look like noise (arXiv 1412.1897), since training never
showed it any. Random shifts (`jitter`), a blur and the two penalties favour features that do not depend on exact
positions, so the result looks more like a digit.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from genmodels.capabilities import SupportsClassification
from genmodels.config import Frozen
from genmodels.seeding import generator_of

Start = Literal["mean", "grey", "noise"]
_SLOPE = 0.15  # mean gradient of the first term after scaling; the reference classifier's own is 0.35


class AscentSettings(Frozen):
    """Settings of the ascent."""

    steps: int = Field(150, ge=1, le=500, description="steps of Adam")
    lr: float = Field(0.05, gt=0, le=1, description="learning rate, for pixels in [0, 1]")
    l2: float = Field(0.0, ge=0, le=1000, description="weight of the squared distance to the mean image")
    tv: float = Field(0.0, ge=0, le=1000, description="weight of the total variation")
    jitter: int = Field(0, ge=0, le=4, description="maximum random shift in each step, in pixels")
    blur: float = Field(
        0.0, ge=0, le=3, description="standard deviation of the Gaussian blur in pixels, every tenth step; 0: none"
    )
    seed: int = Field(0, description="seed of the random shifts; any integer")


class Ascent:
    """One image per class: `step` updates them, `images` returns them.

    A caller may pause between two steps, for example to let other requests use the thread.
    """

    def __init__(self, start: Tensor, labels: Tensor, settings: AscentSettings, mean: Tensor, variance: Tensor) -> None:
        """`start` (N, C, H, W) in [-1, 1], `labels` (N,); mean and variance (C, H, W) of real pixels in [0, 1]."""
        with torch.inference_mode(False):
            self._x = start.add(1).mul(0.5).clamp(0, 1).clone().requires_grad_(True)
            self._labels, self._mean, self._weight = labels.clone(), mean.clone(), 1 / (variance + 0.01)
        self._settings = settings
        self._adam = torch.optim.Adam([self._x], lr=settings.lr)
        self._generator = generator_of(settings.seed)
        self._slope = 0.0
        self.taken = 0

    @property
    def done(self) -> bool:
        return self.taken >= self._settings.steps

    @property
    def images(self) -> Tensor:
        """The current images, in [-1, 1]."""
        return self._x.detach().mul(2).sub(1)

    def step(self, model: SupportsClassification) -> None:
        """One step of gradient ascent. The model must not have been built in inference mode."""
        with torch.inference_mode(False), torch.enable_grad():
            odds = self._odds(model)
            (slope,) = torch.autograd.grad(-odds, self._x)
            if not self._slope:  # a constant network has no gradient, and the image stays
                self._slope = float(slope.abs().mean()) or 1.0
            (penalty,) = torch.autograd.grad(self._penalty(), self._x)
        with torch.no_grad():
            self._x.grad = slope * (_SLOPE / self._slope) + penalty
            self._adam.step()
            if self._settings.blur and self.taken % 10 == 0 and self.taken < 0.9 * self._settings.steps:
                self._x.copy_(blurred(self._x, self._settings.blur))
            self._x.clamp_(0, 1)
        self.taken += 1

    def _odds(self, model: SupportsClassification) -> Tensor:
        """The log odds, summed over images, whose gradients are independent."""
        x = self._x
        if jitter := self._settings.jitter:
            down, right = torch.randint(-jitter, jitter + 1, (2,), generator=self._generator).tolist()
            x = torch.roll(x, (down, right), (2, 3))
        logits = model.classify(x.mul(2).sub(1)).float()
        own = F.one_hot(self._labels, logits.shape[1]).bool()
        return logits[own].sum() - logits.masked_fill(own, -torch.inf).logsumexp(1).sum()

    def _penalty(self) -> Tensor:
        distance = ((self._x - self._mean).square() * self._weight).mean((1, 2, 3)).sum()
        return self._settings.l2 * distance + self._settings.tv * total_variation(self._x).sum()


def total_variation(x: Tensor) -> Tensor:
    """Mean absolute difference of neighbouring pixels, (B,), of images (B, C, H, W)."""
    down = (x[:, :, 1:] - x[:, :, :-1]).abs().mean((1, 2, 3))
    right = (x[:, :, :, 1:] - x[:, :, :, :-1]).abs().mean((1, 2, 3))
    return down + right


def blurred(x: Tensor, sigma: float) -> Tensor:
    """Images (B, C, H, W) blurred by a Gaussian of `sigma` pixels, with zero padding."""
    radius = max(1, round(3 * sigma))
    offsets = torch.arange(-radius, radius + 1, dtype=torch.float32)
    weights = torch.exp(-0.5 * (offsets / sigma) ** 2)
    kernel = (weights / weights.sum()).view(1, 1, 1, -1).expand(x.shape[1], 1, 1, -1)
    rows = F.conv2d(F.pad(x, (radius, radius, radius, radius)), kernel, groups=x.shape[1])
    return F.conv2d(rows, kernel.transpose(2, 3), groups=x.shape[1])


def initial_images(kind: Start, mean: Tensor, count: int, seed: int = 0) -> Tensor:
    """`count` initial images in [-1, 1]: `mean` (C, H, W) in [0, 1], grey, or uniform noise."""
    if kind == "mean":
        return mean.mul(2).sub(1).expand(count, *mean.shape).clone()
    if kind == "grey":
        return torch.zeros(count, *mean.shape)
    generator = generator_of(seed)
    return torch.rand(count, *mean.shape, generator=generator) * 2 - 1
