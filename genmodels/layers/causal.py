"""Causal dilated convolutions of two taps, as matrix products over time by channels.

A kernel of two taps at dilation d is a product of [x(t - d), x(t)] with one matrix. Laid out as (B, T, C), all times of
all recordings are rows of one product; Conv1d over (B, C, T) reached half that rate where it was measured, and bfloat16
makes it slower instead of faster.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def delayed(x: Tensor, by: int) -> Tensor:
    """x(t - by), zeros before the beginning: (B, T, C) -> (B, T, C)."""
    return F.pad(x, (0, 0, by, 0))[:, : x.shape[1]]


class GatedLayer(nn.Module):
    """z = tanh(filter) * sigmoid(gate) of a causal convolution, and x + W z for the next layer (arXiv 1609.03499).

    Filter and gate have weights of their own, side by side in one matrix. One convolution shared by both, which some
    tutorials have, ties them together: then a feature can only be let through where it is itself positive.
    """

    def __init__(self, channels: int, dilation: int, *, last: bool) -> None:
        super().__init__()
        self.dilation = dilation
        self.gates = nn.Linear(2 * channels, 2 * channels)
        # What the last layer would add goes nowhere: only its z is read.
        self.residual = None if last else nn.Linear(channels, channels)

    def forward(self, x: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor]:
        """x (B, T, C), the condition's share of filter and gate (B, 2 C) or None -> (next x, z), (B, T, C) each."""
        gates = self.gates(torch.cat([delayed(x, self.dilation), x], -1))
        if bias is not None:
            gates = gates + bias[:, None]
        filtered, gate = gates.chunk(2, -1)
        z = filtered.tanh() * gate.sigmoid()
        return (x if self.residual is None else x + self.residual(z)), z
