"""The caches that plain masked convolutions are painted with; see `painting`."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from genmodels.layers.masked import MaskedConv2d, causal_bias
from genmodels.sampling.pixels import Painter, RowBuffer


class MaskedPainter(Painter):
    """Planes of every layer's finished rows, and buffers of the row being painted.

    `folded`: of each layer the kernel (after, before, rows, columns) and bias (B or 1, after, 1, 1) before its ReLU.
    """

    def __init__(
        self, folded: Sequence[tuple[Tensor, Tensor]], head: MaskedConv2d, batch: int, height: int, width: int
    ) -> None:
        self.folded, device = folded, head.weight.device
        self.reach, self.width = folded[0][0].shape[3] // 2, width
        # The last row of each kernel, up to the middle, as a matrix (taps * before, after).
        self.own = [w[:, :, -1, : self.reach + 1].permute(2, 1, 0).flatten(0, 1).contiguous() for w, _ in folded]
        sizes = [folded[0][0].shape[1], *(weight.shape[0] for weight, _ in folded)]
        plane = (height + self.reach, width + 2 * self.reach)
        self.planes = [torch.zeros(batch, size, *plane, device=device) for size in sizes]
        self.buffers = [RowBuffer(batch, width, size, self.reach + 1, 1, device) for size in sizes]
        self.pixels = self.buffers[0]
        self.above: list[Tensor] = []
        self.head = head.causal_weight()[:, :, 0, 0].T.contiguous()
        self.head_bias = causal_bias(head)

    def begin(self, row: int) -> None:
        self.above = []
        for plane, (weight, bias) in zip(self.planes, self.folded, strict=False):
            rows = plane[:, :, row : row + self.reach]
            # (B, after, 1, W) -> (W, B, after)
            self.above.append((F.conv2d(rows, weight[:, :, :-1]) + bias).squeeze(2).permute(2, 0, 1).contiguous())

    def advance(self, column: int) -> Tensor:
        for index, matrix in enumerate(self.own):
            seen, into = self.buffers[index].window[column], self.buffers[index + 1].column[column]
            torch.addmm(self.above[index][column], seen, matrix, out=into).relu_()
        return self.buffers[-1].column[column]

    def logits(self, features: Tensor) -> Tensor:
        return torch.addmm(self.head_bias, features, self.head)

    def end(self, row: int) -> None:
        for plane, buffer in zip(self.planes, self.buffers, strict=True):
            self._keep(plane, row, buffer.row())

    def given(self, row: int, values: Tensor) -> None:
        self._keep(self.planes[0], row, values)
        for index, (weight, bias) in enumerate(self.folded):
            rows = self.planes[index][:, :, row : row + self.reach + 1]
            self._keep(self.planes[index + 1], row, F.relu(F.conv2d(rows, weight) + bias).squeeze(2))

    def _keep(self, plane: Tensor, row: int, values: Tensor) -> None:
        plane[:, :, row + self.reach, self.reach : self.reach + self.width] = values
