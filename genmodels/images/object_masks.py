"""Object masks without labels: deep feature factorisation (Collins, Achanta and Süsstrunk, arXiv 1806.10206).

Activations V of VGG-19 at relu5_2, one row of 512 per position of all images, are factorised with non-negative
matrices, V = W H (Lee and Seung, 2001). The rows of H are parts that recur from image to image: bodies, legs, sky,
grass; W says where each part is. Photographers put their subject in the middle, so the parts that are much more active
in the centre of images than at their borders are the objects. A mask is the fraction of activation that these parts
explain, refined by a guided filter (He, Sun and Tang, ECCV 2010), whose edges follow those of the image.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from genmodels.data.loader import to_float
from genmodels.networks.vgg import Features

PARTS = 8
CENTRED = 1.75
"""A part belongs to the objects if it is this many times as active in the centre of images as at their borders."""
_LAYER, _STRIDE = "relu5_2", 16
_SIDE = 320
"""Images are enlarged to this side before VGG: a small animal of 128 pixels would cover less than one position."""
_FITTED = 160
"""Images that are factorised, half of each domain."""
_ITERATIONS, _SOLVER_ITERATIONS = 100, 60
_CENTRE = 0.6
"""Half width and height of the centre, as a fraction of the image's half."""
_FLOOR = 0.2
"""Added to the explained activation, in means: where nothing is active, a fraction has no meaning."""
_RADIUS, _EPSILON = 1 / 16, 1e-3  # of the guided filter; the radius as a fraction of the side
_LOW, _HIGH = 0.3, 0.6
"""Fractions that become 0 and 1."""
_BATCH = 4
_EPS = 1e-6

Report = Callable[[int, int], None]
"""Called with the number of finished images and their total."""


@dataclass(frozen=True)
class Parts:
    """H: `directions` float32 (K, 512), each row of norm 1. `centred` (K,): activity in the centre over the border."""

    directions: Tensor
    centred: tuple[float, ...]

    @property
    def objects(self) -> tuple[int, ...]:
        """The parts that are centred by at least `CENTRED`; the most centred one if none is."""
        found = tuple(index for index, ratio in enumerate(self.centred) if ratio >= CENTRED)
        return found or (int(np.argmax(self.centred)),)


@torch.no_grad()
def fit(images: np.ndarray, labels: np.ndarray, report: Report | None = None) -> Parts:
    """The parts of images uint8 (N, C, H, W) of two domains, labels int64 (N,); about a minute on one CPU core."""
    rows = np.concatenate([np.flatnonzero(labels == domain)[: _FITTED // 2] for domain in np.unique(labels)])
    maps = [part for part, _ in _activations(images[rows], report)]
    values = torch.cat(maps)  # (N, 512, h, w)
    count, channels, height, width = values.shape
    flat = values.permute(0, 2, 3, 1).reshape(-1, channels)
    where, directions = _factorise(flat / flat.mean(), PARTS)
    activity = where.view(count, height, width, PARTS).mean(0)  # (h, w, K)
    y, x = (torch.linspace(-1, 1, size).abs() < _CENTRE for size in (height, width))
    centre = y[:, None] & x
    ratio = activity[centre].mean(0) / activity[~centre].mean(0).clamp_min(_EPS)
    return Parts(directions, tuple(ratio.tolist()))


@torch.no_grad()
def masks(images: np.ndarray, parts: Parts, chosen: Sequence[int], report: Report | None = None) -> np.ndarray:
    """Object masks uint8 (N, 1, H, W), 255 on the `chosen` parts; about a quarter of a second per image."""
    results = []
    for values, pixels in _activations(images, report):
        activity = _project(values, parts.directions)  # (B, K, h, w)
        total = activity.sum(1, keepdim=True)
        fraction = activity[:, list(chosen)].sum(1, keepdim=True) / (total + _FLOOR * total.mean())
        size = (pixels.shape[2], pixels.shape[3])
        coarse = F.interpolate(fraction, size=size, mode="bicubic").clamp(0, 1)
        fine = ((_guided_filter(pixels, coarse) - _LOW) / (_HIGH - _LOW)).clamp(0, 1)
        results.append((fine * fine * (3 - 2 * fine) * 255).round().to(torch.uint8).numpy())  # smoothstep
    return np.concatenate(results)


@torch.no_grad()
def heat(images: np.ndarray, parts: Parts) -> np.ndarray:
    """Where each part is: uint8 (N, K, H, W), of images uint8 (N, C, H, W); 255 is the part's 99th percentile."""
    maps = torch.cat([_project(values, parts.directions) for values, _ in _activations(images, None)])
    scale = maps.transpose(0, 1).flatten(1).quantile(0.99, dim=1).clamp_min(_EPS)
    large = F.interpolate(maps / scale[None, :, None, None], size=images.shape[2:], mode="bilinear")
    return (large.clamp(0, 1) * 255).round().to(torch.uint8).numpy()


def _activations(images: np.ndarray, report: Report | None) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches of activations (B, 512, h, w) and of their images (B, 3, H, W) in [0, 1], both float32."""
    features = Features()
    for start in range(0, len(images), _BATCH):
        x = to_float(torch.from_numpy(images[start : start + _BATCH].copy())).expand(-1, 3, -1, -1)
        scale = max(1.0, _SIDE / min(x.shape[2:]))
        large = F.interpolate(x, scale_factor=scale, mode="bicubic").clamp(-1, 1) if scale > 1 else x
        with torch.autocast("cpu", torch.bfloat16):
            values = features(large, [_LAYER])[_LAYER].float()
        if report is not None:
            report(min(start + _BATCH, len(images)), len(images))
        yield values, (x + 1) / 2


def _factorise(values: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """W (N, count) and H (count, D) >= 0 with V (N, D) = W H, by multiplicative updates; rows of H have norm 1."""
    generator = torch.Generator().manual_seed(0)
    where = torch.rand(len(values), count, generator=generator) + 0.1
    parts = torch.rand(count, values.shape[1], generator=generator) + 0.1
    for _ in range(_ITERATIONS):
        where *= (values @ parts.T) / (where @ (parts @ parts.T) + _EPS)
        parts *= (where.T @ values) / ((where.T @ where) @ parts + _EPS)
    norms = parts.norm(dim=1)
    return where * norms, parts / norms[:, None]


def _project(values: Tensor, directions: Tensor) -> Tensor:
    """W >= 0 (B, K, h, w) of activations (B, 512, h, w) for the given rows of H."""
    count, channels, height, width = values.shape
    flat = values.permute(0, 2, 3, 1).reshape(-1, channels)
    flat = flat / flat.mean().clamp_min(_EPS)
    where = torch.ones(len(flat), len(directions))
    numerator, products = flat @ directions.T, directions @ directions.T
    for _ in range(_SOLVER_ITERATIONS):
        where *= numerator / (where @ products + _EPS)
    return where.view(count, height, width, -1).permute(0, 3, 1, 2)


def _guided_filter(guide: Tensor, x: Tensor) -> Tensor:
    """x (B, 1, H, W) as a local linear function of the guide's colours (B, 3, H, W)."""
    count, _, height, width = guide.shape
    radius = max(1, round(min(height, width) * _RADIUS))

    def mean(value: Tensor) -> Tensor:
        return F.avg_pool2d(F.pad(value, (radius,) * 4, mode="replicate"), 2 * radius + 1, 1)

    mean_guide, mean_x = mean(guide), mean(x)
    covariance = mean(guide * x) - mean_guide * mean_x  # (B, 3, H, W)
    squares = torch.einsum("bihw,bjhw->bijhw", guide, guide).reshape(count, 9, height, width)
    of_means = torch.einsum("bihw,bjhw->bijhw", mean_guide, mean_guide)
    variance = (mean(squares).view(count, 3, 3, height, width) - of_means).permute(0, 3, 4, 1, 2)
    slope = torch.linalg.solve(variance + _EPSILON * torch.eye(3), covariance.permute(0, 2, 3, 1))  # (B, H, W, 3)
    slope = slope.permute(0, 3, 1, 2)
    offset = mean_x - (slope * mean_guide).sum(1, keepdim=True)
    return (mean(slope) * guide).sum(1, keepdim=True) + mean(offset)
