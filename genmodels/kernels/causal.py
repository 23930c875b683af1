"""Gated causal layers of WaveNet as matrix products over time by channels, and the sum of their skip connections.

Recordings of any lengths lie one after the other, (N, C): all times are rows of one product and nothing is padded. A
kernel of two taps at dilation d is the product of x(t) with one matrix plus that of x(t - d) with another. A Conv1d
over (B, C, T) took 2.5 times as long (one core, padding included).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from genmodels import kernels


def row_slices(lengths: Sequence[int]) -> Iterator[slice]:
    """The rows of each recording."""
    start = 0
    for length in lengths:
        yield slice(start, start + length)
        start += length


def delayed(codes: Tensor, lengths: Sequence[int], first: int) -> Tensor:
    """Codes (N,) one time step later: each recording begins with `first` and loses its last code."""
    past = codes.roll(1)
    past[[rows.start for rows in row_slices(lengths) if rows.start < rows.stop]] = first
    return past


def _taps(lengths: Sequence[int], dilation: int) -> Iterator[tuple[slice, slice]]:
    """For each recording longer than `dilation`: the rows that have a past, and the rows of that past."""
    for rows in row_slices(lengths):
        if rows.stop - rows.start > dilation:
            yield slice(rows.start + dilation, rows.stop), slice(rows.start, rows.stop - dilation)


def gated_layer(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    residual: tuple[Tensor, Tensor] | None,
    lengths: Sequence[int],
    spans: Sequence[int],
    dilation: int,
) -> tuple[Tensor, Tensor]:
    """One layer of WaveNet, (N, C) -> (x + R z, z), (N, C) each; without `residual`, (x, z).

    weight (2 C, 2 C), as nn.Linear has it, maps [x(t - d), x(t)] to [filter, gate]; bias (S, 2 C) has one row for each
    of the S spans of samples; residual is R (C, C) and its bias (C,).
    """
    if not kernels.ENABLED:
        return gated_layer_reference(x, weight, bias, residual, lengths, spans, dilation)
    matrix, constant = residual if residual is not None else (None, None)
    following, z = _GatedLayer.apply(x, weight, bias, matrix, constant, lengths, spans, dilation)
    return following, z


def gated_layer_reference(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    residual: tuple[Tensor, Tensor] | None,
    lengths: Sequence[int],
    spans: Sequence[int],
    dilation: int,
) -> tuple[Tensor, Tensor]:
    """The plain version of `gated_layer`."""
    past = torch.zeros_like(x)
    for later, earlier in _taps(lengths, dilation):
        past[later] = x[earlier]
    own = bias.repeat_interleave(torch.tensor(spans, device=x.device), 0)
    filtered, gate = (F.linear(torch.cat([past, x], 1), weight) + own).chunk(2, 1)
    z = torch.tanh(filtered) * torch.sigmoid(gate)
    return (x if residual is None else x + F.linear(z, *residual)), z


def skip_sum(parts: Sequence[Tensor], weight: Tensor, bias: Tensor) -> Tensor:
    """sum_l S_l z_l + b: each layer's z (N, C) -> (N, S), weight (S, layers * C)."""
    if not kernels.ENABLED:
        return skip_sum_reference(parts, weight, bias)
    total: Tensor = _SkipSum.apply(weight, bias, *parts)
    return total


def skip_sum_reference(parts: Sequence[Tensor], weight: Tensor, bias: Tensor) -> Tensor:
    """The plain version of `skip_sum`."""
    return F.linear(torch.cat(list(parts), 1), weight, bias)


class _GatedLayer(torch.autograd.Function):
    """Autograd's own gradient goes through padding, concatenation and slices of half the channels: twice the time."""

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
        channels = x.shape[1]
        past, now = torch.split(weight.T, channels)
        gates = x.new_empty(len(x), 2 * channels)
        for rows, own in zip(row_slices(spans), bias, strict=True):
            torch.addmm(own, x[rows], now, out=gates[rows])
        for later, earlier in _taps(lengths, dilation):
            gates[later].addmm_(x[earlier], past)
        tanh, sigmoid = _activations(gates)
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
        gates = _activations_gradient(dz, tanh, sigmoid)
        dx = torch.addmm(following, gates, now)
        of_now, of_past = (x.T @ gates).T, torch.zeros_like(past)
        for later, earlier in _taps(ctx.lengths, ctx.dilation):
            dx[earlier].addmm_(gates[later], past)
            of_past += (x[earlier].T @ gates[later]).T
        bias = torch.stack([gates[rows].sum(0) for rows in row_slices(ctx.spans)])
        return dx, torch.cat([of_past, of_now], 1), bias, of_residual, of_constant, None, None, None


def _activations(gates: Tensor) -> tuple[Tensor, Tensor]:
    """tanh of the first half of the channels and sigmoid of the second, (N, C) each.

    Each half is made contiguous first: over slices both functions take four times as long. tanh is computed in float32
    even for bfloat16, whose own is three times as slow on a CPU.
    """
    filtered, gate = gates.chunk(2, dim=1)
    wide = torch.promote_types(gates.dtype, torch.float32)
    tanh = filtered.to(wide, memory_format=torch.contiguous_format, copy=True).tanh_().to(gates.dtype)
    return tanh, gate.clone(memory_format=torch.contiguous_format).sigmoid_()


def _activations_gradient(dz: Tensor, tanh: Tensor, sigmoid: Tensor) -> Tensor:
    """dz (N, C) -> (N, 2 C): dz s (1 - t^2) for the filter and dz t (1 - s) s for the gate, side by side."""
    channels = tanh.shape[1]
    gradient = tanh.new_empty(len(tanh), 2 * channels)
    torch.ops.aten.tanh_backward.grad_input(dz * sigmoid, tanh, grad_input=gradient[:, :channels])
    torch.ops.aten.sigmoid_backward.grad_input(dz * tanh, sigmoid, grad_input=gradient[:, channels:])
    return gradient


class _SkipSum(torch.autograd.Function):
    """One product forward; backward one product per layer, as one for all takes eight times as long."""

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
        return (whole.T @ dy).T, dy.sum(0), *(dy @ part for part in torch.split(weight, ctx.widths, 1))
