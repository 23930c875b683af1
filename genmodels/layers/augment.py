"""Differentiable augmentation (DiffAugment): Zhao et al., arXiv 2006.10738.

A discriminator that sees a few hundred images again and again memorises them and rejects everything else. Augmented
images delay that. Generated images are augmented in the same way before D sees them, so that G does not learn to
generate augmentations; G's gradient passes through them, so each is differentiable with respect to the image.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_TRANSLATION = 1 / 8  # of the side, each way
_CUTOUT = 1 / 2  # of the side


def diff_augment(x: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Random colours, translation and cutout of images (B, C, H, W), in float32; independent for each image.

    Colours may leave [-1, 1], as in the paper. The same state of `generator`, or of torch's own, gives the same result.
    """
    return cutout(translate(colour(x.float(), generator), generator), generator)


def colour(x: Tensor, generator: torch.Generator | None = None, *, strength: float = 1.0) -> Tensor:
    """Shifts brightness by U(-1/2, 1/2), scales saturation by U(0, 2) and contrast by U(1/2, 3/2), times `strength`."""
    uniform = torch.rand(3, len(x), 1, 1, 1, generator=generator, device=x.device)
    brightness, saturation, contrast = (uniform - 0.5) * strength
    x = x + brightness
    grey = x.mean(1, keepdim=True)
    x = grey + (x - grey) * (1 + 2 * saturation)
    mean = x.mean((1, 2, 3), keepdim=True)
    coloured: Tensor = mean + (x - mean) * (1 + contrast)
    return coloured


def translate(x: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Shifts images by whole pixels, up to an eighth of the side in each direction, padded with 0 (middle grey)."""
    down, right = (round(side * _TRANSLATION) for side in x.shape[2:])
    padded = F.pad(x, (right, right, down, down))
    top, left = (
        torch.randint(0, 2 * limit + 1, (len(x),), generator=generator, device=x.device) for limit in (down, right)
    )
    return crop(padded, top, left, (x.shape[2], x.shape[3]))


def cutout(x: Tensor, generator: torch.Generator | None = None, *, size: int | None = None) -> Tensor:
    """Sets a square of `size` pixels to 0 (arXiv 1708.04552). Its centre is anywhere in the image; borders crop it.

    Without `size` a rectangle of half of each side, as in DiffAugment.
    """
    mask = torch.ones(len(x), 1, 1, 1, dtype=torch.bool, device=x.device)
    for axis in (2, 3):
        side = x.shape[axis]
        length = round(side * _CUTOUT) if size is None else size
        # An even length is centred between two pixels: one more position.
        centre = torch.randint(0, side + 1 - length % 2, (len(x), 1), generator=generator, device=x.device)
        offset = torch.arange(side, device=x.device) - (centre - length // 2)
        inside = (offset >= 0) & (offset < length)
        mask = mask & inside.view(len(x), 1, *((side, 1) if axis == 2 else (1, side)))
    return x * ~mask


def flip(x: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Mirrors each image left to right with probability 1/2."""
    mirrored = torch.rand(len(x), 1, 1, 1, generator=generator, device=x.device) < 0.5
    return torch.where(mirrored, x.flip(3), x)


def zoomed(x: Tensor, factor: float, generator: torch.Generator | None = None) -> Tensor:
    """Upsamples images (B, C, H, W) in [-1, 1] by `factor` (at least 1) and crops each at random to its old size."""
    height, width = x.shape[2:]
    size = (round(height * factor), round(width * factor))
    if size == (height, width):
        return x
    # Bicubic interpolation overshoots at edges.
    large = F.interpolate(x, size=size, mode="bicubic").clamp_(-1, 1)
    top, left = (
        torch.randint(0, limit + 1, (len(x),), generator=generator, device=x.device)
        for limit in (size[0] - height, size[1] - width)
    )
    return crop(large, top, left, (height, width))


def crop(x: Tensor, top: Tensor, left: Tensor, size: tuple[int, int]) -> Tensor:
    """Returns the window of `size` (height, width) of each image, its corner at the image's `top` and `left` (B,)."""
    height, width = size
    rows = (top[:, None] + torch.arange(height, device=x.device))[:, None, :, None]
    columns = (left[:, None] + torch.arange(width, device=x.device))[:, None, None, :]
    rows = rows.expand(-1, x.shape[1], -1, x.shape[3])
    return x.gather(2, rows).gather(3, columns.expand(-1, x.shape[1], height, -1))
