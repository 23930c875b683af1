"""Instance normalisation: each channel of each picture to mean 0 and variance 1 (Ulyanov et al., arXiv 1607.08022).

Its statistics are of the whole picture, so a tile normalised alone comes out in other colours than its neighbours.
`frozen_copy` gives a network that keeps the statistics of the first picture it sees, for tiles of that picture.
"""

from __future__ import annotations

import copy
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

EPS = 1e-5
Network = TypeVar("Network", bound=nn.Module)


class _Normalise(torch.autograd.Function):
    """Group norm with a channel a group, the fastest forward kernel; its backward kernel is slow in channels-last.

    There it took 27 ms where planes of their own take 1 (one core, bf16, (2, 32, 128, 128)), so it is given those. In
    bf16 copying planes out and back costs more than the gradient written down, `_gradient`: 14 ms and 5 (one core,
    (2, 64, 128, 128)). Float32 is left as it is: its resumed trainings are exact.
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
        if x.dtype == torch.bfloat16 and x.device.type == "cpu" and not x.is_contiguous():
            return _gradient(x, gradients[0].to(x.dtype), mean, scale)
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


def _gradient(x: Tensor, dy: Tensor, mean: Tensor, scale: Tensor) -> Tensor:
    """scale (dy - mean dy - z mean (dy z)) with z = scale (x - mean): two sums and four passes over the map."""
    shape = (*x.shape[:2], 1, 1)
    count = x.shape[2] * x.shape[3]
    mean, scale = mean.view(shape).float(), scale.view(shape).float()
    # What rounding takes from the mean is put back below: subtracted in float32 the whole map would be float32.
    near = mean.to(x.dtype)
    centred = x - near
    product = dy * centred
    along, with_x = (part.sum((2, 3), keepdim=True).float() for part in (dy, product))
    by_x = (with_x - (mean - near) * along) * scale.pow(3) / -count
    constant = along * scale / -count - by_x * (mean - near)
    torch.addcmul(constant.to(x.dtype), dy, scale.to(x.dtype), out=product)
    return product.addcmul_(centred, by_x.to(x.dtype))


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
            variance, mean = torch.var_mean(x.detach().float(), (0, 2, 3), correction=0)
            self.statistics = mean, variance
        return F.batch_norm(x, *self.statistics, eps=EPS)


def frozen_copy(network: Network) -> Network:
    """A copy whose instance norms keep the statistics of the first picture (1, C, H, W) that goes through them.

    The copy shares the network's weights, and the network is left as it was.
    """
    memo: dict[int, Any] = {id(tensor): tensor for tensor in (*network.parameters(), *network.buffers())}
    memo |= {id(module): _Frozen() for module in network.modules() if isinstance(module, InstanceNorm)}
    return copy.deepcopy(network, memo)
