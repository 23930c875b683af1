"""Masked convolutions: the rows above, and the columns to the left in the same row (arXiv 1601.06759).

A k x k kernel with its lower half masked multiplies that half by zero all the same. Here only the (k + 1) / 2 rows that
count are stored, and the image is padded above: a 7 x 7 kernel costs 28 products per pixel instead of 49.

The colours of a pixel are sampled one after the other: the channels of each layer are divided evenly among them, in
order. In its own pixel, a channel of colour c sees the channels of colours before c (mask A, for the first layer, whose
input is the image itself) or up to c (mask B, for the layers that follow).
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Mask = Literal["A", "B"]


def colour_mask(inputs: int, outputs: int, colours: int, mask: Mask, copies: int = 1) -> Tensor:
    """Which input channels an output channel sees in its own pixel: float (outputs, inputs) of 0 and 1.

    copies: how often the output repeats the colours, 2 for a filter and its gate. For three colours and three channels
    each, mask B is [[1, 0, 0], [1, 1, 0], [1, 1, 1]]: green sees red, blue sees both; mask A lacks the diagonal.
    Channel counts are multiples of `colours`.
    """
    own = torch.arange(outputs) % (outputs // copies) * colours * copies // outputs
    seen = torch.arange(inputs) * colours // inputs
    return ((own[:, None] > seen) if mask == "A" else (own[:, None] >= seen)).float()


class CausalConv2d(nn.Conv2d):
    """(B, inputs, H, W) -> (B, outputs, H, W) with a kernel of `rows` x `columns` whose last row is `lifted` rows up.

    With `left_only` the columns end at the pixel's own, else they extend as far right as left.
    """

    mask: Tensor | None

    def __init__(
        self,
        inputs: int,
        outputs: int,
        rows: int,
        columns: int,
        *,
        lifted: int = 0,
        left_only: bool = False,
        dilation: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__(inputs, outputs, (rows, columns), dilation=dilation, bias=bias)
        self.above = dilation * (rows - 1) + lifted
        self.left = dilation * (columns - 1) if left_only else dilation * (columns - 1) // 2
        self.left_only = left_only
        self.register_buffer("mask", None, persistent=False)

    def causal_weight(self) -> Tensor:
        """(outputs, inputs, rows, columns), zero where masked."""
        return self.weight if self.mask is None else self.weight * self.mask

    def forward(self, x: Tensor) -> Tensor:
        # Padding above copies the image, padding at the sides is the convolution's own: faster than either for both.
        height = x.shape[2]
        if self.left_only:
            x = F.pad(x, (self.left, 0)) if self.left else x
            return F.conv2d(x, self.causal_weight(), self.bias, dilation=self.dilation)
        x = F.pad(x, (0, 0, self.above, 0)) if self.above else x
        x = F.conv2d(x, self.causal_weight(), self.bias, padding=(0, self.left), dilation=self.dilation)
        return x[:, :, :height]


def causal_bias(convolution: nn.Conv2d) -> Tensor:
    """The bias of a convolution that has one."""
    assert convolution.bias is not None
    return convolution.bias


class MaskedConv2d(CausalConv2d):
    """A k x k convolution, k odd: the rows above, and the pixel's own row up to its earlier colours."""

    def __init__(
        self, inputs: int, outputs: int, kernel_size: int, mask: Mask, *, colours: int = 1, bias: bool = True
    ) -> None:
        super().__init__(inputs, outputs, kernel_size // 2 + 1, kernel_size, bias=bias)
        allowed = torch.ones_like(self.weight)
        allowed[:, :, -1, kernel_size // 2] = colour_mask(inputs, outputs, colours, mask)
        allowed[:, :, -1, kernel_size // 2 + 1 :] = 0
        self.mask = None if kernel_size == 1 and mask == "B" and colours == 1 else allowed


class VerticalConv2d(CausalConv2d):
    """The rows above, as far right as left (arXiv 1606.05328); with mask B also the row itself.

    With mask B the row itself holds features, which depend on rows above only. So the vertical stack sees one more
    kernel of rows in each layer, and never the current row of the image.
    """

    def __init__(self, inputs: int, outputs: int, kernel_size: int, mask: Mask, *, dilation: int = 1) -> None:
        own = mask == "B"
        rows = kernel_size // 2 + own
        super().__init__(inputs, outputs, rows, kernel_size, lifted=0 if own else dilation, dilation=dilation)


class HorizontalConv2d(CausalConv2d):
    """The row itself, from the left up to the pixel's earlier colours."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel_size: int,
        mask: Mask,
        *,
        colours: int = 1,
        copies: int = 1,
        dilation: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__(inputs, outputs, 1, kernel_size // 2 + 1, left_only=True, dilation=dilation, bias=bias)
        allowed = torch.ones_like(self.weight)
        allowed[:, :, 0, -1] = colour_mask(inputs, outputs, colours, mask, copies)
        self.mask = None if mask == "B" and colours == 1 else allowed
