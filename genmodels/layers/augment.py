"""Pictures varied at random so that a gradient still flows to them: DiffAugment, Zhao et al., arXiv 2006.10738.

A discriminator that sees a few hundred pictures again and again learns them by heart and then rejects everything else.
Varied copies delay that; and where drawn pictures are varied by the same law before D sees them, G is not taught to
draw the variations. It learns through them, so each one is differentiable in the picture.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_TRANSLATION = 1 / 8  # of the side, each way
_CUTOUT = 1 / 2  # of the side


def diff_augment(x: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Images (B, C, H, W) varied in colour, moved and partly hidden, float32; each picture draws its own variation.

    Colours may leave [-1, 1], as in the paper. The same state of `generator` (or of torch's own) gives the same result.
    """
    return cutout(translate(colour(x.float(), generator), generator), generator)


def colour(x: Tensor, generator: torch.Generator | None = None, *, strength: float = 1.0) -> Tensor:
    """Brightness moved by U(-1/2, 1/2), saturation scaled by U(0, 2), contrast by U(1/2, 3/2); less with `strength`."""
    draws = torch.rand(3, len(x), 1, 1, 1, generator=generator, device=x.device)
    brightness, saturation, contrast = (draws - 0.5) * strength
    x = x + brightness
    grey = x.mean(1, keepdim=True)
    x = grey + (x - grey) * (1 + 2 * saturation)
    mean = x.mean((1, 2, 3), keepdim=True)
    varied: Tensor = mean + (x - mean) * (1 + contrast)
    return varied


def translate(x: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Moved by whole pixels, up to an eighth of the side each way; 0, a middle grey, comes in at the border."""
    down, right = (round(side * _TRANSLATION) for side in x.shape[2:])
    padded = F.pad(x, (right, right, down, down))
    top, left = (
        torch.randint(0, 2 * most + 1, (len(x),), generator=generator, device=x.device) for most in (down, right)
    )
    return crop(padded, top, left, (x.shape[2], x.shape[3]))


def cutout(x: Tensor, generator: torch.Generator | None = None, *, size: int | None = None) -> Tensor:
    """A square of `size` pixels set to 0, its centre anywhere in the picture: at the border less is hidden.

    Without `size` a rectangle of half of each side, as DiffAugment has it. DeVries & Taylor, arXiv 1708.04552.
    """
    hidden = torch.ones(len(x), 1, 1, 1, dtype=torch.bool, device=x.device)
    for axis in (2, 3):
        side = x.shape[axis]
        length = round(side * _CUTOUT) if size is None else size
        # An even length has its centre between two pixels: one place more.
        centre = torch.randint(0, side + 1 - length % 2, (len(x), 1), generator=generator, device=x.device)
        away = torch.arange(side, device=x.device) - (centre - length // 2)
        inside = (away >= 0) & (away < length)
        hidden = hidden & inside.view(len(x), 1, *((side, 1) if axis == 2 else (1, side)))
    return x * ~hidden


def flip(x: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Each picture mirrored left to right, or not."""
    mirrored = torch.rand(len(x), 1, 1, 1, generator=generator, device=x.device) < 0.5
    return torch.where(mirrored, x.flip(3), x)


def zoomed(x: Tensor, factor: float, generator: torch.Generator | None = None) -> Tensor:
    """Images (B, C, H, W) in [-1, 1] enlarged by `factor` (at least 1), each cut at random to the size it had."""
    height, width = x.shape[2:]
    size = (round(height * factor), round(width * factor))
    if size == (height, width):
        return x
    # A cubic curve overshoots at edges.
    large = F.interpolate(x, size=size, mode="bicubic").clamp_(-1, 1)
    top, left = (
        torch.randint(0, most + 1, (len(x),), generator=generator, device=x.device)
        for most in (size[0] - height, size[1] - width)
    )
    return crop(large, top, left, (height, width))


def crop(x: Tensor, top: Tensor, left: Tensor, size: tuple[int, int]) -> Tensor:
    """The window of `size` (height, width) of each picture, with its corner at its own `top` and `left` (B,)."""
    height, width = size
    rows = (top[:, None] + torch.arange(height, device=x.device))[:, None, :, None]
    columns = (left[:, None] + torch.arange(width, device=x.device))[:, None, None, :]
    rows = rows.expand(-1, x.shape[1], -1, x.shape[3])
    return x.gather(2, rows).gather(3, columns.expand(-1, x.shape[1], height, -1))
