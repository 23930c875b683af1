"""Causal dilated convolutions of two taps, as matrix products over time by channels.

A kernel of two taps at dilation d is a product of x(t) with one matrix and of x(t - d) with another. Laid out as
(N, C), recordings of any lengths one after the other, all times are rows of one product and nothing is
padded. Conv1d over (B, C, T) reached half that rate where it was measured, and bfloat16 makes it slower, not faster.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from genmodels.kernels.gate import gate_gradient, gate_parts


def recordings(lengths: Sequence[int]) -> Iterator[slice]:
    """The rows of each recording."""
    start = 0
    for length in lengths:
        yield slice(start, start + length)
        start += length


def delayed(codes: Tensor, lengths: Sequence[int], before: int) -> Tensor:
    """Of each time the one before it: (N,) -> (N,), `before` at the beginning of each recording."""
    past = codes.roll(1)
    past[[rows.start for rows in recordings(lengths) if rows.start < rows.stop]] = before
    return past


def _taps(lengths: Sequence[int], dilation: int) -> Iterator[tuple[slice, slice]]:
    """Of each recording longer than `dilation`, the rows that have a past, and the rows of that past."""
    for rows in recordings(lengths):
        if rows.stop - rows.start > dilation:
            yield slice(rows.start + dilation, rows.stop), slice(rows.start, rows.stop - dilation)


class _Layer(torch.autograd.Function):
    """z = tanh(filter) * sigmoid(gate), filter and gate side by side in W [x(t - d), x(t)] + bias; and x + R z + c.

    Its gradient is written down: autograd's, from padding, concatenation and slices of half the channels, takes twice
    as long.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor,
        residual: Tensor | None,
        constant: Tensor | None,
        lengths: Sequence[int],
        spans: Sequence[int],
        dilation: int,
    ) -> tuple[Tensor, Tensor]:
        """x (N, C), weight (2 C, 2 C) and residual (C, C) as of nn.Linear, bias (S, 2 C) for spans of these lengths."""
        channels = x.shape[1]
        past, now = torch.split(weight.T, channels)
        gates = x.new_empty(len(x), 2 * channels)
        for rows, own in zip(recordings(spans), bias, strict=True):
            torch.addmm(own, x[rows], now, out=gates[rows])
        for later, earlier in _taps(lengths, dilation):
            gates[later].addmm_(x[earlier], past)
        tanh, sigmoid = gate_parts(gates)
        z = tanh * sigmoid
        following = x if residual is None or constant is None else torch.addmm(constant, z, residual.T).add_(x)
        ctx.save_for_backward(x, weight, residual, tanh, sigmoid, z)
        ctx.lengths, ctx.spans, ctx.dilation = lengths, spans, dilation
        return following, z

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, residual, tanh, sigmoid, z = ctx.saved_tensors
        following, dz = gradients
        of_residual, of_constant = None, None
        if residual is not None:
            dz = torch.addmm(dz, following, residual)
            of_residual, of_constant = (z.T @ following).T, following.sum(0)
        channels = x.shape[1]
        past, now = torch.split(weight, channels, 1)
        gates = gate_gradient(dz, tanh, sigmoid)
        dx = torch.addmm(following, gates, now)
        of_now, of_past = (x.T @ gates).T, torch.zeros_like(past)
        for later, earlier in _taps(ctx.lengths, ctx.dilation):
            dx[earlier].addmm_(gates[later], past)
            of_past += (x[earlier].T @ gates[later]).T
        bias = torch.stack([gates[rows].sum(0) for rows in recordings(ctx.spans)])
        return dx, torch.cat([of_past, of_now], 1), bias, of_residual, of_constant, None, None, None


class _Sum(torch.autograd.Function):
    """sum_l S_l z_l + b as one product of all z side by side; each z's gradient is a product of its own.

    One product for all gradients took eight times as long where it was measured, and slices of it slowed what follows.
    """

    @staticmethod
    def forward(ctx: Any, weight: Tensor, bias: Tensor, *parts: Tensor) -> Tensor:
        whole = torch.cat(parts, 1)
        ctx.save_for_backward(weight, whole)
        ctx.widths = [part.shape[1] for part in parts]
        return torch.addmm(bias, whole, weight.T)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        weight, whole = ctx.saved_tensors
        (dy,) = gradients
        return (whole.T @ dy).T, dy.sum(0), *(dy @ share for share in torch.split(weight, ctx.widths, 1))


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

    def forward(
        self, x: Tensor, bias: Tensor | None, lengths: Sequence[int], spans: Sequence[int] | None = None
    ) -> tuple[Tensor, Tensor]:
        """x (N, C) of B recordings of `lengths`, what they are told (B, 2 C) or None -> (next x, z), (N, C) each.

        Where what they are told changes with time, it is (S, 2 C) for S `spans` of N samples in all.
        """
        spans = lengths if spans is None else spans
        own = self.gates.bias.expand(len(spans), -1)
        told = own if bias is None else own + bias
        behind = (None, None) if self.residual is None else (self.residual.weight, self.residual.bias)
        weights = (part if part is None else part.to(x.dtype) for part in (self.gates.weight, told, *behind))
        following, z = _Layer.apply(x, *weights, lengths, spans, self.dilation)
        return following, z


class SkipSum(nn.Linear):
    """The skip 1x1s of all layers and their sum: each layer's z (N, C) -> (N, skip channels)."""

    def forward(self, parts: Sequence[Tensor]) -> Tensor:  # type: ignore[override]
        dtype = parts[0].dtype
        total: Tensor = _Sum.apply(self.weight.to(dtype), self.bias.to(dtype), *parts)
        return total
