"""Colour preservation in style transfer: Gatys, Bethge, Hertzmann and Shechtman, arXiv 1606.05897.

Images are float (B, C, H, W) in [-1, 1].
"""

from __future__ import annotations

import torch
from torch import Tensor

_LUMINANCE = (0.299, 0.587, 0.114)


def luminance(x: Tensor) -> Tensor:
    """Luminance (B, 1, H, W) of images (B, 1 or 3, H, W)."""
    if x.shape[1] == 1:
        return x
    return (x * x.new_tensor(_LUMINANCE).view(3, 1, 1)).sum(1, keepdim=True)


def with_colours_of(x: Tensor, colours: Tensor) -> Tensor:
    """Luminance transfer: `colours` with the luminance of `x`, both (B, C, H, W).

    The same offset is added to every channel of a pixel.
    """
    return colours + (luminance(x) - luminance(colours))


def match_luminance(x: Tensor, target: Tensor) -> Tensor:
    """Luminance `x` (B, 1, H, W) scaled and shifted to the mean and standard deviation of `target` (B, 1, h, w)."""
    deviation, mean = torch.std_mean(x, (1, 2, 3), correction=0, keepdim=True)
    target_deviation, target_mean = torch.std_mean(target, (1, 2, 3), correction=0, keepdim=True)
    return (x - mean) * (target_deviation / deviation.clamp_min(1e-6)) + target_mean


def match_statistics(x: Tensor, target: Tensor) -> Tensor:
    """Image `x` (1, C, h, w) with the mean colour and the colour covariance S of `target` (1, C, H, W).

    x' = S_target^(1/2) S_x^(-1/2) (x - mean of x) + mean of target (section 4.1 of the paper).
    """
    pixels, target_pixels = x[0].flatten(1).double(), target[0].flatten(1).double()  # (C, positions)
    mean, target_mean = pixels.mean(1, keepdim=True), target_pixels.mean(1, keepdim=True)
    transform = _power(_covariance(target_pixels), 0.5) @ _power(_covariance(pixels), -0.5)  # (C, C)
    matched = transform @ (pixels - mean) + target_mean
    return matched.to(x.dtype).view_as(x)


def _covariance(pixels: Tensor) -> Tensor:
    centred = pixels - pixels.mean(1, keepdim=True)
    return centred @ centred.T / pixels.shape[1]


def _power(matrix: Tensor, exponent: float) -> Tensor:
    values, vectors = torch.linalg.eigh(matrix)
    # A grey image has no variance in two directions; the bound keeps their inverse finite.
    power: Tensor = vectors @ torch.diag(values.clamp_min(1e-5) ** exponent) @ vectors.T
    return power
