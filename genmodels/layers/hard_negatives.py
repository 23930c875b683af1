"""Disguises of training images that do not change their class: hard negatives for a classifier.

A classifier of two domains that has seen only clean photographs may decide by faint texture. It then accepts a weak
translation, whose stripes nobody sees. Disguised images keep their label: painted stripes do not make a zebra, and a
blurred, noisy, grey or compressed zebra stays one.

    stripes     black and white, sinusoidal, of random period, direction and waviness, blended over the whole image or
                over an ellipse
    noise       Gaussian, standard deviation up to 0.3 of [-1, 1]
    blur        averaged over windows of 3 or 5 pixels, twice
    blocks      the DCT coefficients of 8 x 8 blocks rounded to coarse steps, as by a JPEG of low quality
    grey        the mean of the channels
    contrast    a fifth to a half of the contrast

Images are (B, C, H, W) in [-1, 1].
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

Generator = torch.Generator | None
_BLOCK = 8  # side of a JPEG's blocks


def disguise(x: Tensor, fraction: float, generator: Generator = None) -> Tensor:
    """Disguises each image with probability `fraction`, in one way chosen at random; the others stay as they are.

    Half of the disguised images get stripes, the other ways share the rest equally. The same state of `generator`, or
    of torch's own, gives the same result.
    """
    chance = torch.rand(len(x), generator=generator, device=x.device) / max(fraction, 1e-9)  # below 1: disguised
    others = len(_DISGUISES) - 1
    ways = torch.where(chance < 0.5, 0, 1 + ((chance - 0.5) * 2 * others).long().clamp(0, others - 1))
    ways = torch.where(chance < 1, ways, -1)
    x = x.clone()
    for way, change in enumerate(_DISGUISES):
        rows = torch.nonzero(ways == way).flatten()
        if len(rows):
            x[rows] = change(x[rows], generator)
    return x


def stripes(x: Tensor, generator: Generator = None) -> Tensor:
    """Blends black and white stripes over each image, or over an ellipse in every second one."""
    count, _, height, width = x.shape
    rows, columns = (torch.linspace(-1, 1, side, device=x.device) for side in (height, width))
    rows, columns = rows.view(1, 1, -1, 1), columns.view(1, 1, 1, -1)
    angle, period, phase, waves, amount, hard, place = _uniform(7, count, x, generator)
    angle, phase = math.pi * angle, 2 * math.pi * phase
    period = 0.06 + 0.24 * period  # of the side, which is 2
    bumps = torch.rand(count, 1, 4, 4, generator=generator, device=x.device)
    bumps = F.interpolate(bumps, (height, width), mode="bicubic")
    across = rows * angle.sin() + columns * angle.cos()
    waving = 2 * math.pi * (across / period + 2 * waves * bumps) + phase
    pattern = torch.tanh((1 + 4 * hard) * waving.sin())  # (n, 1, H, W)
    centre, radius = torch.rand(2, count, 2, 1, 1, generator=generator, device=x.device) * 0.7 + 0.15
    centre = 2 * centre - 1
    distance = ((rows - centre[:, :1]) / radius[:, :1]).square() + ((columns - centre[:, 1:]) / radius[:, 1:]).square()
    inside = torch.sigmoid(6 * (1 - distance)).where(place < 0.5, 1.0)
    striped: Tensor = torch.lerp(x, pattern.expand_as(x), (0.1 + 0.4 * amount) * inside)
    return striped


def noise(x: Tensor, generator: Generator = None) -> Tensor:
    """Adds Gaussian noise; its standard deviation differs between images, up to 0.3."""
    (amount,) = _uniform(1, len(x), x, generator)
    noisy: Tensor = (x + 0.3 * amount * torch.randn(x.shape, generator=generator, device=x.device)).clamp(-1, 1)
    return noisy


def blur(x: Tensor, generator: Generator = None) -> Tensor:
    """Averages each pixel with its neighbours, twice; the same window for all images."""
    reach = 1 + int(torch.randint(0, 2, (), generator=generator, device=x.device))
    for _ in range(2):
        padded = F.pad(x, (reach, reach, reach, reach), mode="replicate")
        x = F.avg_pool2d(padded, 2 * reach + 1, stride=1)
    return x


def blocks(x: Tensor, generator: Generator = None) -> Tensor:
    """Rounds the DCT coefficients of blocks of 8 x 8 pixels, coarsely at high frequencies, as a JPEG does."""
    height, width = x.shape[2:]
    padded = F.pad(x, (0, -width % _BLOCK, 0, -height % _BLOCK), mode="replicate")
    count, channels, tall, wide = padded.shape
    tiles = padded.view(count, channels, tall // _BLOCK, _BLOCK, wide // _BLOCK, _BLOCK).transpose(3, 4)
    basis = _dct(x.device)
    frequency = torch.arange(_BLOCK, device=x.device)
    (amount,) = _uniform(1, count, x, generator)
    step = (0.05 + 0.15 * amount)[..., None, None] * (1 + (frequency[:, None] + frequency))
    rounded = (basis @ tiles @ basis.T / step).round() * step
    back = (basis.T @ rounded @ basis).transpose(3, 4).reshape(padded.shape)
    compressed: Tensor = back[:, :, :height, :width].clamp(-1, 1)
    return compressed


def grey(x: Tensor, generator: Generator = None) -> Tensor:
    """Replaces the channels by their mean."""
    return x.mean(1, keepdim=True).expand_as(x)


def contrast(x: Tensor, generator: Generator = None) -> Tensor:
    """Reduces the contrast of each image to a fifth to a half."""
    (amount,) = _uniform(1, len(x), x, generator)
    mean = x.mean((1, 2, 3), keepdim=True)
    flat: Tensor = mean + (x - mean) * (0.2 + 0.3 * amount)
    return flat


_DISGUISES: tuple[Callable[[Tensor, Generator], Tensor], ...] = (stripes, noise, blur, blocks, grey, contrast)


def _uniform(numbers: int, count: int, x: Tensor, generator: Generator) -> Tensor:
    """`numbers` random numbers in [0, 1) for each image, (numbers, count, 1, 1, 1)."""
    return torch.rand(numbers, count, 1, 1, 1, generator=generator, device=x.device)


def _dct(device: torch.device) -> Tensor:
    """The orthonormal DCT-II, (8, 8): row k is the k-th cosine."""
    row, column = torch.meshgrid(torch.arange(_BLOCK), torch.arange(_BLOCK), indexing="ij")
    basis = math.sqrt(2 / _BLOCK) * torch.cos(math.pi * (column + 0.5) * row / _BLOCK)
    basis[0] /= math.sqrt(2)
    return basis.to(device)
