"""Instance normalisation: each channel of each picture to mean 0 and variance 1 (Ulyanov et al., arXiv 1607.08022).

Its statistics are of the whole picture, so a tile normalised alone comes out in other colours than its neighbours.
`frozen_at` gives a network whose statistics are those of a picture it has seen, for tiles and strips of that picture.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

EPS = 1e-5


class _Normalise(torch.autograd.Function):
    """Group norm with a channel a group, the fastest forward kernel; its backward kernel is slow in channels-last.

    There it took 27 ms where planes of their own take 1 (one core, bf16, (2, 32, 128, 128)), so it is given those.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        batch, channels, height, width = x.shape
        y, mean, scale = torch.native_group_norm(x, None, None, batch, channels, height * width, channels, EPS)
        ctx.save_for_backward(x, mean, scale)
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        x, mean, scale = ctx.saved_tensors
        batch, channels, height, width = x.shape
        layout = torch.channels_last if x.is_contiguous(memory_format=torch.channels_last) else torch.contiguous_format
        found: Tensor = torch.ops.aten.native_group_norm_backward(
            gradients[0].to(x.dtype).contiguous(),
            x.contiguous(),
            mean,
            scale,
            None,
            batch,
            channels,
            height * width,
            channels,
            [True, False, False],
        )[0]
        return found.contiguous(memory_format=layout)


class InstanceNorm(nn.Module):
    """(B, C, H, W) -> the same shape; no weights, and nothing is kept between calls."""

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = _Normalise.apply(x)
        return y


class _Frozen(nn.Module):
    """Normalises by the statistics of the first picture it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.statistics: tuple[Tensor, Tensor] | None = None

    def forward(self, x: Tensor) -> Tensor:
        if self.statistics is None:
            variance, mean = torch.var_mean(x.float(), (0, 2, 3), correction=0)
            self.statistics = mean, variance
        return F.batch_norm(x, *self.statistics, eps=EPS)


def frozen_at(network: nn.Module, picture: Tensor) -> nn.Module:
    """A copy of `network` whose instance norms keep the statistics that they have at `picture` (1, C, H, W).

    Costs one pass over `picture`. The copy shares the network's weights, and the network is left as it was.
    """
    memo: dict[int, Any] = {id(tensor): tensor for tensor in (*network.parameters(), *network.buffers())}
    memo |= {id(module): _Frozen() for module in network.modules() if isinstance(module, InstanceNorm)}
    frozen: nn.Module = copy.deepcopy(network, memo)
    with torch.inference_mode():
        frozen(picture)
    return frozen
