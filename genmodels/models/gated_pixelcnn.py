"""Gated PixelCNN: van den Oord et al., Conditional Image Generation with PixelCNN Decoders, arXiv 1606.05328.

PixelCNN without its blind spot, and with gates in place of ReLU. Two stacks of features, v of all rows above and h of
the row itself, see together every earlier pixel; k is the layer, y the class where there is one:

    z_v = W_v * v + V_v y,              v' = tanh(z_v filter) . sigmoid(z_v gate)
    z_h = W_h * h + V_h y + L z_v,      h' = h + R (tanh(z_h filter) . sigmoid(z_h gate))

The vertical stack never sees the row itself, the horizontal one adds it from the left, and what v knows flows to h and
never back. The objective is PixelCNN's: the exact cross entropy of each value given the earlier ones.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Annotated, Self

from pydantic import Field, field_validator, model_validator

from genmodels.networks.pixel_settings import PixelSettings


class GatedPixelCNNConfig(PixelSettings):
    """Gated layers, one for each dilation, between a first masked convolution and 1x1 convolutions to the levels."""

    channels: int = Field(64, ge=1, le=512, description="channels of each stack, divided among a pixel's colours")
    dilations: tuple[Annotated[int, Field(ge=1, le=64)], ...] = Field(
        (1, 2, 1, 4, 1, 2, 1),
        min_length=1,
        max_length=32,
        description="one gated layer each: pixels between two that its kernel sees, 1 for neighbours",
    )
    kernel_size: int = Field(3, ge=3, le=15, description="side of the kernels, an odd number")
    head_channels: int = Field(
        0, ge=0, le=1024, description="width of a hidden 1x1 convolution before the levels; 0 for none"
    )

    @field_validator("kernel_size")
    @classmethod
    def _odd(cls, value: int) -> int:
        if value % 2 == 0:
            raise ValueError(f"an even kernel has no middle pixel: choose {value - 1} or {value + 1}")
        return value

    @model_validator(mode="after")
    def _channels_fit(self) -> Self:
        self.check_channels("channels", self.channels)
        self.check_channels("head_channels", self.head_channels)
        return self


import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genmodels.kernels.gate import gated
from genmodels.layers.masked import HorizontalConv2d, MaskedConv2d, VerticalConv2d, causal_bias
from genmodels.sampling.pixels import Painter, RowBuffer
from genmodels.models.pixelcnn import PixelCNN, PixelNetwork
from genmodels.registry import register


# A gate halves a small signal, tanh(z) sigmoid(z) = z / 2: weights twice as large as those that keep its size make up
# for it. PyTorch's own leave 0.3 of it a layer, and of seven layers of v, one after the other, nothing to learn from:
# after an epoch of binary MNIST the test digits cost 86.9 nats with those, 85.9 with these.
_GAIN = 2.0


class GatedLayer(nn.Module):
    """(v, h) -> (v', h'), each (B, C, H, W); the equations above."""

    def __init__(self, config: GatedPixelCNNConfig, dilation: int, classes: int) -> None:
        super().__init__()
        channels, kernel, colours = config.channels, config.kernel_size, config.colours
        self.vertical = VerticalConv2d(channels, 2 * channels, kernel, "B", dilation=dilation)
        self.horizontal = HorizontalConv2d(
            channels, 2 * channels, kernel, "B", colours=colours, copies=2, dilation=dilation, bias=False
        )
        self.link = nn.Conv2d(2 * channels, 2 * channels, 1)
        self.residual = MaskedConv2d(channels, channels, 1, "B", colours=colours, bias=False)
        self.label = nn.Linear(classes, 4 * channels, bias=False) if classes else None
        for convolution in (self.vertical, self.horizontal):
            nn.init.normal_(convolution.weight, std=_GAIN / math.sqrt(convolution.weight[0].numel()))

    def class_bias(self, label: Tensor | None) -> tuple[Tensor, Tensor] | None:
        """What the class adds to z_v and to z_h, (B, 2C, 1, 1) each; None without classes."""
        if self.label is None:
            return None
        vertical, horizontal = self.label(label)[:, :, None, None].chunk(2, dim=1)
        return vertical, horizontal

    def forward(self, v: Tensor, h: Tensor, label: Tensor | None) -> tuple[Tensor, Tensor]:
        z_v, added = self.vertical(v), self.class_bias(label)
        if added is not None:
            z_v = z_v + added[0]
        z_h = self.horizontal(h) + self.link(z_v)
        if added is not None:
            z_h = z_h + added[1]
        return gated(z_v), h + self.residual(gated(z_h))


class GatedNetwork(PixelNetwork):
    """Both stacks, and the levels from the horizontal one, which has seen everything."""

    def __init__(self, config: GatedPixelCNNConfig) -> None:
        super().__init__()
        self.config, colours, channels = config, config.colours, config.channels
        classes = (config.num_classes or 0) if config.conditional else 0
        self.first_vertical = VerticalConv2d(colours, channels, config.kernel_size, "A")
        self.first_horizontal = HorizontalConv2d(colours, channels, config.kernel_size, "A", colours=colours)
        self.layers = nn.ModuleList(GatedLayer(config, dilation, classes) for dilation in config.dilations)
        widths = [channels, *([config.head_channels] if config.head_channels else []), colours * config.levels]
        self.head = nn.ModuleList(
            MaskedConv2d(before, after, 1, "B", colours=colours) for before, after in pairwise(widths)
        )

    def forward(self, x: Tensor, label: Tensor | None) -> Tensor:
        v: Tensor = self.first_vertical(x)
        h: Tensor = self.first_horizontal(x)
        for layer in self.layers:
            v, h = layer(v, h, label)
        for convolution in self.head:
            h = convolution(F.elu(h))
        return h

    def painter(self, batch: int, label: Tensor | None) -> Painter:
        return GatedPainter(self, batch, label)


class _LayerCache:
    """One gated layer's weights as matrices, its vertical rows so far, and the row being painted.

    sigmoid(x) = (1 + tanh(x / 2)) / 2: with the gate's half of the weights halved, and the residual's, one tanh of both
    halves and one f + f g make a gate; each is a call less for every layer of every pixel.
    """

    def __init__(self, layer: GatedLayer, batch: int, height: int, width: int, label: Tensor | None) -> None:
        self.layer, channels, weight = layer, layer.residual.in_channels, layer.horizontal.causal_weight()
        self.dilation, self.width = layer.vertical.dilation[0], width
        halves = torch.ones(2 * channels, device=weight.device)
        halves[channels:] = 0.5
        self.own = (weight[:, :, 0].permute(2, 1, 0).flatten(0, 1) * halves).contiguous()
        self.link = (layer.link.weight[:, :, 0, 0].T * halves).contiguous()
        self.residual = layer.residual.causal_weight()[:, :, 0, 0].T.mul(0.5).contiguous()
        added = layer.class_bias(label)
        self.to_vertical = None if added is None else added[0]
        self.bias = (causal_bias(layer.link) + (0.0 if added is None else added[1][:, :, 0, 0])) * halves
        self.plane = torch.zeros(
            batch, channels, height + layer.vertical.above, width + 2 * layer.vertical.left, device=weight.device
        )
        self.buffer = RowBuffer(batch, width, channels, weight.shape[3], self.dilation, weight.device)
        self.z = torch.empty(batch, 2 * channels, device=weight.device)
        self.filter, self.gate = self.z.chunk(2, dim=1)
        self.active = torch.empty(batch, channels, device=weight.device)
        self.above: Tensor = self.z

    def begin(self, row: int, v: Tensor, *, painted: bool) -> Tensor:
        """Take in this row of v (B, C, W); its share of z_h for every pixel of the row, where that is painted; v'."""
        vertical = self.layer.vertical
        self.plane[:, :, row + vertical.above, vertical.left : vertical.left + self.width] = v
        rows = self.plane[:, :, row : row + vertical.above + 1 : self.dilation]
        z_v = F.conv2d(rows, vertical.weight, vertical.bias, dilation=(1, self.dilation))
        if self.to_vertical is not None:
            z_v = z_v + self.to_vertical
        if painted:
            self.above = z_v.squeeze(2).permute(2, 0, 1) @ self.link + self.bias
        return gated(z_v.squeeze(2))

    def advance(self, column: int, into: Tensor) -> None:
        torch.addmm(self.above[column], self.buffer.window[column], self.own, out=self.z).tanh_()
        torch.addcmul(self.filter, self.filter, self.gate, out=self.active)
        torch.addmm(self.buffer.column[column], self.active, self.residual, out=into)


class GatedPainter(Painter):
    """The vertical stack goes a row at a time, the horizontal one a pixel at a time."""

    def __init__(self, network: GatedNetwork, batch: int, label: Tensor | None) -> None:
        config, first = network.config, network.first_horizontal
        _, height, width = config.image_shape or (0, 0, 0)
        device, self.width, side = first.weight.device, width, config.kernel_size // 2
        self.first, self.side = network.first_vertical, side
        self.plane = torch.zeros(batch, config.colours, height + side, width + 2 * side, device=device)
        self.pixels = RowBuffer(batch, width, config.colours, side + 1, 1, device)
        self.own = first.causal_weight()[:, :, 0].permute(2, 1, 0).flatten(0, 1).contiguous()
        self.bias = causal_bias(first)
        self.layers = [_LayerCache(layer, batch, height, width, label) for layer in network.layers]  # type: ignore[arg-type]
        last = RowBuffer(batch, width, config.channels, 1, 1, device)
        self.columns = [*(layer.buffer.column for layer in self.layers), last.column]
        self.head = [(c.causal_weight()[:, :, 0, 0].T.contiguous(), causal_bias(c)) for c in network.head]  # type: ignore

    def begin(self, row: int) -> None:
        self._vertical(row, painted=True)

    def _vertical(self, row: int, *, painted: bool) -> None:
        seen = self.plane[:, :, row : row + self.side]
        v = F.conv2d(seen, self.first.weight, self.first.bias).squeeze(2)
        for layer in self.layers:
            v = layer.begin(row, v, painted=painted)

    def advance(self, column: int) -> Tensor:
        torch.addmm(self.bias, self.pixels.window[column], self.own, out=self.columns[0][column])
        for layer, into in zip(self.layers, self.columns[1:], strict=True):
            layer.advance(column, into[column])
        return self.columns[-1][column]

    def logits(self, features: Tensor) -> Tensor:
        for matrix, bias in self.head:
            features = torch.addmm(bias, F.elu(features), matrix)
        return features

    def end(self, row: int) -> None:
        self._keep(row, self.pixels.row())

    def given(self, row: int, values: Tensor) -> None:
        self._keep(row, values)
        self._vertical(row, painted=False)

    def _keep(self, row: int, values: Tensor) -> None:
        self.plane[:, :, row + self.side, self.side : self.side + self.width] = values


@register("gated_pixelcnn")
class GatedPixelCNN(PixelCNN):
    Config = GatedPixelCNNConfig
    title = "Gated PixelCNN"
    paper = "van den Oord et al. 2016, arXiv 1606.05328"

    def _build(self, config: PixelSettings) -> PixelNetwork:
        assert isinstance(config, GatedPixelCNNConfig)
        return GatedNetwork(config)
