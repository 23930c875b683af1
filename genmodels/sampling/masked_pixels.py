"""Caches for incremental sampling with the masked convolutions of PixelCNN; see `pixels`."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from genmodels.layers.masked import MaskedConv2d, causal_bias
from genmodels.sampling.pixels import PixelSampler, RowBuffer


class MaskedPixelSampler(PixelSampler):
    """The finished rows of every layer, and a buffer of its current row.

    folded: for each layer the kernel (outputs, inputs, rows, columns) and the bias (B or 1, outputs, 1, 1) before its
    ReLU, with the batch normalisation folded in.
    """

    def __init__(
        self, folded: Sequence[tuple[Tensor, Tensor]], head: MaskedConv2d, batch: int, height: int, width: int
    ) -> None:
        self.folded, device = folded, head.weight.device
        self.radius, self.width = folded[0][0].shape[3] // 2, width
        # The last row of each kernel, up to the middle, as a matrix (taps * inputs, outputs).
        self.own = [w[:, :, -1, : self.radius + 1].permute(2, 1, 0).flatten(0, 1).contiguous() for w, _ in folded]
        sizes = [folded[0][0].shape[1], *(weight.shape[0] for weight, _ in folded)]
        plane = (height + self.radius, width + 2 * self.radius)
        self.planes = [torch.zeros(batch, size, *plane, device=device) for size in sizes]
        self.buffers = [RowBuffer(batch, width, size, self.radius + 1, 1, device) for size in sizes]
        self.pixels = self.buffers[0]
        self.above: list[Tensor] = []
        self.head = head.causal_weight()[:, :, 0, 0].T.contiguous()
        self.head_bias = causal_bias(head)

    def begin_row(self, row: int) -> None:
        self.above = []
        for plane, (weight, bias) in zip(self.planes, self.folded, strict=False):
            rows = plane[:, :, row : row + self.radius]
            # (B, outputs, 1, W) -> (W, B, outputs)
            self.above.append((F.conv2d(rows, weight[:, :, :-1]) + bias).squeeze(2).permute(2, 0, 1).contiguous())

    def advance(self, column: int) -> Tensor:
        for index, matrix in enumerate(self.own):
            window, out = self.buffers[index].window[column], self.buffers[index + 1].column[column]
            torch.addmm(self.above[index][column], window, matrix, out=out).relu_()
        return self.buffers[-1].column[column]

    def logits(self, features: Tensor) -> Tensor:
        return torch.addmm(self.head_bias, features, self.head)

    def end_row(self, row: int) -> None:
        for plane, buffer in zip(self.planes, self.buffers, strict=True):
            self._store(plane, row, buffer.row())

    def feed_known_row(self, row: int, values: Tensor) -> None:
        self._store(self.planes[0], row, values)
        for index, (weight, bias) in enumerate(self.folded):
            rows = self.planes[index][:, :, row : row + self.radius + 1]
            self._store(self.planes[index + 1], row, F.relu(F.conv2d(rows, weight) + bias).squeeze(2))

    def _store(self, plane: Tensor, row: int, values: Tensor) -> None:
        plane[:, :, row + self.radius, self.radius : self.radius + self.width] = values
