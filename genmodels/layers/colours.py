"""Keeping the colours of a photograph while it is painted: Gatys, Bethge, Hertzmann and Shechtman, arXiv 1606.05897."""

from __future__ import annotations

import torch
from torch import Tensor

_LUMINANCE = (0.299, 0.587, 0.114)


def luminance(x: Tensor) -> Tensor:
    """Brightness (B, 1, H, W) of pictures (B, 1 or 3, H, W)."""
    if x.shape[1] == 1:
        return x
    return (x * x.new_tensor(_LUMINANCE).view(3, 1, 1)).sum(1, keepdim=True)


def with_colours_of(x: Tensor, colours: Tensor) -> Tensor:
    """The brightness of `x` with the hues of `colours`, both (B, C, H, W); every channel moves by the same amount."""
    return colours + (luminance(x) - luminance(colours))


def match_brightness(x: Tensor, target: Tensor) -> Tensor:
    """Brightnesses `x` (B, 1, H, W) with the mean and spread of `target`: a dark painting may suit a bright photo."""
    deviation, mean = torch.std_mean(x, (1, 2, 3), correction=0, keepdim=True)
    wanted_deviation, wanted_mean = torch.std_mean(target, (1, 2, 3), correction=0, keepdim=True)
    return (x - mean) * (wanted_deviation / deviation.clamp_min(1e-6)) + wanted_mean


def match_statistics(x: Tensor, target: Tensor) -> Tensor:
    """Picture `x` (1, C, h, w) with the mean colour and the covariance of colours of `target` (1, C, H, W).

    x' = S_target^(1/2) S_x^(-1/2) (x - mean) + mean of target: of all maps that do so, the one nearest to none.
    """
    flat, wanted = x[0].flatten(1).double(), target[0].flatten(1).double()
    mean, wanted_mean = flat.mean(1, keepdim=True), wanted.mean(1, keepdim=True)
    change = _power(_covariance(wanted), 0.5) @ _power(_covariance(flat), -0.5)
    matched = change @ (flat - mean) + wanted_mean
    return matched.to(x.dtype).view_as(x)


def _covariance(flat: Tensor) -> Tensor:
    centred = flat - flat.mean(1, keepdim=True)
    return centred @ centred.T / flat.shape[1]


def _power(matrix: Tensor, exponent: float) -> Tensor:
    values, vectors = torch.linalg.eigh(matrix)
    # A grey picture has no spread in two directions: what is not there is not enlarged without limit.
    raised: Tensor = vectors @ torch.diag(values.clamp_min(1e-5) ** exponent) @ vectors.T
    return raised
