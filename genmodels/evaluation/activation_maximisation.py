"""What a classifier finds most typical of a class: gradient ascent on the input picture.

Simonyan, Vedaldi and Zisserman 2014 (arXiv 1312.6034): the weights stay, the picture x moves along the gradient of

    log p / (1 - p), p = softmax(f(x))[c]   -   l2 * mean (x - m)^2 / v   -   tv * total variation(x)

with pixels x in [0, 1], m and v the mean and spread of each pixel in real pictures. The odds grow with p, and unlike
log p they do not stop growing where p is nearly 1. Classifiers differ a thousandfold in how steep they are, so the
first term is divided by its mean slope at the start: then the weights mean the same for all.

Without regularisation a network is sure of pictures that look like noise (arXiv 1412.1897): it was never shown any, so
nothing taught it to refuse them. Steps sideways at random (`jitter`), a blur, and the two penalties keep what holds
wherever a stroke lies, and what is left looks more like a digit.
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
_STEEP = 0.15  # mean slope of the first term after scaling; the published judge's own is 0.35


class Climb(Frozen):
    """How the picture is moved."""

    steps: int = Field(150, ge=1, le=500, description="steps of Adam")
    lr: float = Field(0.05, gt=0, le=1, description="length of a step, in pixels of [0, 1]")
    l2: float = Field(0.0, ge=0, le=1000, description="weight of the distance from the mean picture")
    tv: float = Field(0.0, ge=0, le=1000, description="weight of the difference of neighbouring pixels")
    jitter: int = Field(0, ge=0, le=4, description="pixels the picture is moved by at random, each way, in each step")
    blur: float = Field(0.0, ge=0, le=3, description="width of the Gaussian blur in pixels, each tenth step; 0: none")
    seed: int = Field(0, description="of the random steps sideways; any integer")


class Ascent:
    """Pictures on their way, one a class; `step` moves them, `images` shows them.

    A caller may stop between any two steps, for instance to let others use the thread.
    """

    def __init__(self, start: Tensor, labels: Tensor, climb: Climb, mean: Tensor, variance: Tensor) -> None:
        """`start` (N, C, H, W) in [-1, 1], `labels` (N,); mean and variance (C, H, W) of real pixels in [0, 1]."""
        with torch.inference_mode(False):
            self._x = start.add(1).mul(0.5).clamp(0, 1).clone().requires_grad_(True)
            self._labels, self._mean, self._weight = labels.clone(), mean.clone(), 1 / (variance + 0.01)
        self._climb = climb
        self._adam = torch.optim.Adam([self._x], lr=climb.lr)
        self._generator = generator_of(climb.seed)
        self._slope = 0.0
        self.taken = 0

    @property
    def done(self) -> bool:
        return self.taken >= self._climb.steps

    @property
    def images(self) -> Tensor:
        """The pictures so far, in [-1, 1]."""
        return self._x.detach().mul(2).sub(1)

    def step(self, model: SupportsClassification) -> None:
        """One step upwards; the model's weights must have been made outside of inference mode."""
        with torch.inference_mode(False), torch.enable_grad():
            odds = self._odds(model)
            (slope,) = torch.autograd.grad(-odds, self._x)
            if not self._slope:  # a network that answers everything alike has none, and the picture stays
                self._slope = float(slope.abs().mean()) or 1.0
            (penalty,) = torch.autograd.grad(self._penalty(), self._x)
        with torch.no_grad():
            self._x.grad = slope * (_STEEP / self._slope) + penalty
            self._adam.step()
            if self._climb.blur and self.taken % 10 == 0 and self.taken < 0.9 * self._climb.steps:
                self._x.copy_(blurred(self._x, self._climb.blur))
            self._x.clamp_(0, 1)
        self.taken += 1

    def _odds(self, model: SupportsClassification) -> Tensor:
        """Summed over the pictures: each has a gradient of its own, whatever is computed beside it."""
        seen = self._x
        if reach := self._climb.jitter:
            down, right = torch.randint(-reach, reach + 1, (2,), generator=self._generator).tolist()
            seen = torch.roll(seen, (down, right), (2, 3))
        logits = model.classify(seen.mul(2).sub(1)).float()
        own = F.one_hot(self._labels, logits.shape[1]).bool()
        return logits[own].sum() - logits.masked_fill(own, -torch.inf).logsumexp(1).sum()

    def _penalty(self) -> Tensor:
        far = ((self._x - self._mean).square() * self._weight).mean((1, 2, 3)).sum()
        return self._climb.l2 * far + self._climb.tv * total_variation(self._x).sum()


def total_variation(x: Tensor) -> Tensor:
    """Mean absolute difference of neighbouring pixels, (B,), of pictures (B, C, H, W)."""
    down = (x[:, :, 1:] - x[:, :, :-1]).abs().mean((1, 2, 3))
    right = (x[:, :, :, 1:] - x[:, :, :, :-1]).abs().mean((1, 2, 3))
    return down + right


def blurred(x: Tensor, sigma: float) -> Tensor:
    """Pictures (B, C, H, W) under a Gaussian of `sigma` pixels; beyond the rim all is 0."""
    reach = max(1, round(3 * sigma))
    places = torch.arange(-reach, reach + 1, dtype=torch.float32)
    weights = torch.exp(-0.5 * (places / sigma) ** 2)
    across = (weights / weights.sum()).view(1, 1, 1, -1).expand(x.shape[1], 1, 1, -1)
    wide = F.conv2d(F.pad(x, (reach, reach, reach, reach)), across, groups=x.shape[1])
    return F.conv2d(wide, across.transpose(2, 3), groups=x.shape[1])


def start_pictures(kind: Start, mean: Tensor, count: int, seed: int = 0) -> Tensor:
    """`count` pictures in [-1, 1] to begin with: `mean` (C, H, W) in [0, 1], all grey, or uniform noise."""
    if kind == "mean":
        return mean.mul(2).sub(1).expand(count, *mean.shape).clone()
    if kind == "grey":
        return torch.zeros(count, *mean.shape)
    generator = generator_of(seed)
    return torch.rand(count, *mean.shape, generator=generator) * 2 - 1
