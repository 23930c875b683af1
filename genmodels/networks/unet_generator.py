"""U-Net of an image translation (Ronneberger et al., arXiv 1505.04597), with instance normalisation."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from genmodels.layers.instance_norm import InstanceNorm


class UNet(nn.Module):
    """Downsampling by strided convolutions, then upsampling with skip connections at equal resolution.

    Shape: (B, channels, H, W) -> (B, outputs, H, W) in [-1, 1]; H and W are multiples of 2 ** len(widths), the channels
    after each downsampling layer.
    """

    def __init__(self, channels: int, widths: Sequence[int], outputs: int, *, leaky_slope: float) -> None:
        super().__init__()
        self.down = nn.ModuleList(
            nn.Sequential(nn.Conv2d(before, after, 4, 2, 1), nn.LeakyReLU(leaky_slope, inplace=True), InstanceNorm())
            for before, after in pairwise([channels, *widths])
        )
        self.up = nn.ModuleList()
        incoming = widths[-1]
        for after in reversed(widths[:-1]):
            self.up.append(
                nn.Sequential(
                    nn.Upsample(scale_factor=2, mode="nearest"),
                    nn.ZeroPad2d((1, 2, 1, 2)),  # an even kernel has no centre: one more row and column at the end
                    nn.Conv2d(incoming, after, 4),
                    nn.ReLU(inplace=True),
                    InstanceNorm(),
                )
            )
            incoming = 2 * after  # its own channels and those of the skip connection
        self.last = nn.Sequential(
            nn.Upsample(scale_factor=2, mode="nearest"),
            nn.ZeroPad2d((1, 2, 1, 2)),
            nn.Conv2d(incoming, outputs, 4),
            nn.Tanh(),
        )

    def forward(self, x: Tensor) -> Tensor:
        maps = []
        for down in self.down:
            x = down(x)  # level i: (B, widths[i], H / 2^(i+1), W / 2^(i+1))
            maps.append(x)
        for up, skip in zip(self.up, reversed(maps[:-1]), strict=True):
            x = torch.cat([up(x), skip], 1)  # (B, 2 * skip channels, twice the size)
        y: Tensor = self.last(x)  # (B, outputs, H, W)
        return y
