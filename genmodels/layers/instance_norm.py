"""Instance normalisation: each channel of each image to mean 0 and variance 1 (Ulyanov et al., arXiv 1607.08022).

The statistics are those of the whole image, so a tile normalised alone has other colours than its neighbours.
`frozen_copy` gives a network that keeps the statistics of the first image it sees, for the tiles of that image.
"""

from __future__ import annotations

import copy
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genmodels.kernels.instance_norm import EPS, instance_norm

Network = TypeVar("Network", bound=nn.Module)


class InstanceNorm(nn.Module):
    """(B, C, H, W) -> the same shape; without weights or running statistics."""

    def forward(self, x: Tensor) -> Tensor:
        return instance_norm(x)


class _FrozenNorm(nn.Module):
    """Normalises with the statistics of the first image it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.statistics: tuple[Tensor, Tensor] | None = None

    def forward(self, x: Tensor) -> Tensor:
        if self.statistics is None:
            variance, mean = torch.var_mean(x.detach().float(), (0, 2, 3), correction=0)
            self.statistics = mean, variance
        return F.batch_norm(x, *self.statistics, eps=EPS)


def frozen_copy(network: Network) -> Network:
    """A copy whose instance norms keep the statistics of the first image (1, C, H, W) that passes through them.

    The copy shares the network's weights; the network itself is unchanged.
    """
    memo: dict[int, Any] = {id(tensor): tensor for tensor in (*network.parameters(), *network.buffers())}
    memo |= {id(module): _FrozenNorm() for module in network.modules() if isinstance(module, InstanceNorm)}
    return copy.deepcopy(network, memo)
