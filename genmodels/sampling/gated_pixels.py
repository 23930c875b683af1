"""Caches for incremental sampling with the two stacks of the gated PixelCNN; see `pixels`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genmodels.layers.masked import HorizontalConv2d, MaskedConv2d, VerticalConv2d, causal_bias
from genmodels.sampling.pixels import PixelSampler, RowBuffer


@dataclass(frozen=True)
class GatedWeights:
    """The convolutions of one gated layer and the biases of the class: (B, 2 C, 1, 1) for v and h; None without."""

    vertical: VerticalConv2d
    horizontal: HorizontalConv2d
    link: nn.Conv2d
    residual: MaskedConv2d
    class_bias: tuple[Tensor, Tensor] | None


class _LayerCache:
    """One gated layer's weights as matrices, the rows of v so far, and the current row of h.

    sigmoid(x) = (1 + tanh(x / 2)) / 2: with the gate's half of the weights halved, and the residual's, one tanh of both
    halves and one f + f g make a gate. That saves a call for every layer of every pixel.
    """

    def __init__(self, layer: GatedWeights, batch: int, height: int, width: int) -> None:
        self.vertical, channels, weight = layer.vertical, layer.residual.in_channels, layer.horizontal.causal_weight()
        self.dilation, self.width = layer.vertical.dilation[0], width
        halves = torch.ones(2 * channels, device=weight.device)
        halves[channels:] = 0.5
        self.own = (weight[:, :, 0].permute(2, 1, 0).flatten(0, 1) * halves).contiguous()
        self.link = (layer.link.weight[:, :, 0, 0].T * halves).contiguous()
        self.residual = layer.residual.causal_weight()[:, :, 0, 0].T.mul(0.5).contiguous()
        class_bias = layer.class_bias
        self.vertical_bias = None if class_bias is None else class_bias[0]
        self.bias = (causal_bias(layer.link) + (0.0 if class_bias is None else class_bias[1][:, :, 0, 0])) * halves
        self.plane = torch.zeros(
            batch, channels, height + layer.vertical.above, width + 2 * layer.vertical.left, device=weight.device
        )
        self.buffer = RowBuffer(batch, width, channels, weight.shape[3], self.dilation, weight.device)
        self.z = torch.empty(batch, 2 * channels, device=weight.device)
        self.filter, self.gate = self.z.chunk(2, dim=1)
        self.active = torch.empty(batch, channels, device=weight.device)
        self.above: Tensor = self.z

    def begin_row(self, row: int, v: Tensor, *, sampled: bool) -> Tensor:
        """Store a row of v (B, C, W) and return that of v'; for a `sampled` row, also v's contribution to z_h."""
        vertical = self.vertical
        self.plane[:, :, row + vertical.above, vertical.left : vertical.left + self.width] = v
        rows = self.plane[:, :, row : row + vertical.above + 1 : self.dilation]
        z_v = F.conv2d(rows, vertical.weight, vertical.bias, dilation=(1, self.dilation))
        if self.vertical_bias is not None:
            z_v = z_v + self.vertical_bias
        if sampled:
            self.above = z_v.squeeze(2).permute(2, 0, 1) @ self.link + self.bias
        filtered, gate = z_v.squeeze(2).chunk(2, dim=1)
        return torch.tanh(filtered) * torch.sigmoid(gate)

    def advance(self, column: int, out: Tensor) -> None:
        torch.addmm(self.above[column], self.buffer.window[column], self.own, out=self.z).tanh_()
        torch.addcmul(self.filter, self.filter, self.gate, out=self.active)
        torch.addmm(self.buffer.column[column], self.active, self.residual, out=out)


class GatedPixelSampler(PixelSampler):
    """The vertical stack advances a row at a time, the horizontal one a pixel at a time."""

    def __init__(
        self,
        first: tuple[VerticalConv2d, HorizontalConv2d],
        layers: Sequence[GatedWeights],
        head: Sequence[MaskedConv2d],
        batch: int,
        shape: tuple[int, int, int],
    ) -> None:
        (self.first, horizontal), (inputs, height, width) = first, shape
        device, channels = horizontal.weight.device, horizontal.out_channels
        self.width, self.side = width, self.first.left
        self.plane = torch.zeros(batch, inputs, height + self.side, width + 2 * self.side, device=device)
        self.pixels = RowBuffer(batch, width, inputs, self.side + 1, 1, device)
        self.own = horizontal.causal_weight()[:, :, 0].permute(2, 1, 0).flatten(0, 1).contiguous()
        self.bias = causal_bias(horizontal)
        self.layers = [_LayerCache(layer, batch, height, width) for layer in layers]
        last = RowBuffer(batch, width, channels, 1, 1, device)
        self.columns = [*(layer.buffer.column for layer in self.layers), last.column]
        self.head = [(c.causal_weight()[:, :, 0, 0].T.contiguous(), causal_bias(c)) for c in head]

    def begin_row(self, row: int) -> None:
        self._advance_vertical(row, sampled=True)

    def _advance_vertical(self, row: int, *, sampled: bool) -> None:
        above = self.plane[:, :, row : row + self.side]
        v = F.conv2d(above, self.first.weight, self.first.bias).squeeze(2)
        for layer in self.layers:
            v = layer.begin_row(row, v, sampled=sampled)

    def advance(self, column: int) -> Tensor:
        torch.addmm(self.bias, self.pixels.window[column], self.own, out=self.columns[0][column])
        for layer, out in zip(self.layers, self.columns[1:], strict=True):
            layer.advance(column, out[column])
        return self.columns[-1][column]

    def logits(self, features: Tensor) -> Tensor:
        for matrix, bias in self.head:
            features = torch.addmm(bias, F.elu(features), matrix)
        return features

    def end_row(self, row: int) -> None:
        self._store(row, self.pixels.row())

    def feed_known_row(self, row: int, values: Tensor) -> None:
        self._store(row, values)
        self._advance_vertical(row, sampled=False)

    def _store(self, row: int, values: Tensor) -> None:
        self.plane[:, :, row + self.side, self.side : self.side + self.width] = values
