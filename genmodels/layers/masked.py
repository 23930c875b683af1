"""Convolutions that see only what comes before: rows above, and to the left in the same row (arXiv 1601.06759).

A k x k kernel with its lower half masked multiplies that half by zero all the same. Here only the rows that count are
kept, (k + 1) / 2 of k, and the picture is padded above instead: a 7 x 7 one costs 28 products a pixel, not 49.

Several colours of one pixel are painted one after the other: each layer's channels are divided evenly among them, in
order, and a channel of colour c sees in its own pixel the channels of colours before c (mask A, of the first layer,
whose input is the picture itself) or up to c (mask B, of the layers that follow).
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Mask = Literal["A", "B"]


def colour_mask(before: int, after: int, colours: int, mask: Mask, copies: int = 1) -> Tensor:
    """Which input channel an output channel may see in its own pixel: float (after, before) of 0 and 1.

    `copies` is how many times the output repeats the colours: 2 for a filter and its gate. For three colours and three
    channels each way mask B is [[1, 0, 0], [1, 1, 0], [1, 1, 1]]: green sees red, blue sees both; mask A lacks the
    diagonal. Channel counts are multiples of `colours`.
    """
    own = torch.arange(after) % (after // copies) * colours * copies // after
    seen = torch.arange(before) * colours // before
    return ((own[:, None] > seen) if mask == "A" else (own[:, None] >= seen)).float()


class CausalConv2d(nn.Conv2d):
    """(B, before, H, W) -> (B, after, H, W) with a kernel of `rows` x `columns` whose last row is `lifted` rows up.

    The columns end at the pixel's own where `left_only`, else they reach as far right as left.
    """

    mask: Tensor | None

    def __init__(
        self,
        before: int,
        after: int,
        rows: int,
        columns: int,
        *,
        lifted: int = 0,
        left_only: bool = False,
        dilation: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__(before, after, (rows, columns), dilation=dilation, bias=bias)
        self.above = dilation * (rows - 1) + lifted
        self.left = dilation * (columns - 1) if left_only else dilation * (columns - 1) // 2
        self.left_only = left_only
        self.register_buffer("mask", None, persistent=False)

    def causal_weight(self) -> Tensor:
        """(after, before, rows, columns), zero where it may not see."""
        return self.weight if self.mask is None else self.weight * self.mask

    def forward(self, x: Tensor) -> Tensor:
        # Above by a copy of the picture, at the sides by the convolution itself: faster than either for both.
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
    """A k x k convolution, k odd, that sees the rows above, and its own row up to the pixel's earlier colours."""

    def __init__(
        self, before: int, after: int, kernel_size: int, mask: Mask, *, colours: int = 1, bias: bool = True
    ) -> None:
        super().__init__(before, after, kernel_size // 2 + 1, kernel_size, bias=bias)
        allowed = torch.ones_like(self.weight)
        allowed[:, :, -1, kernel_size // 2] = colour_mask(before, after, colours, mask)
        allowed[:, :, -1, kernel_size // 2 + 1 :] = 0
        self.mask = None if kernel_size == 1 and mask == "B" and colours == 1 else allowed


class VerticalConv2d(CausalConv2d):
    """Rows above, as far right as left (arXiv 1606.05328); with mask B also the row itself.

    That row is one of features, which have seen rows above only: so each layer sees more of them, and never the
    picture's own row.
    """

    def __init__(self, before: int, after: int, kernel_size: int, mask: Mask, *, dilation: int = 1) -> None:
        own = mask == "B"
        rows = kernel_size // 2 + own
        super().__init__(before, after, rows, kernel_size, lifted=0 if own else dilation, dilation=dilation)


class HorizontalConv2d(CausalConv2d):
    """The row itself, from the left up to the pixel's earlier colours."""

    def __init__(
        self,
        before: int,
        after: int,
        kernel_size: int,
        mask: Mask,
        *,
        colours: int = 1,
        copies: int = 1,
        dilation: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__(before, after, 1, kernel_size // 2 + 1, left_only=True, dilation=dilation, bias=bias)
        allowed = torch.ones_like(self.weight)
        allowed[:, :, 0, -1] = colour_mask(before, after, colours, mask, copies)
        self.mask = None if mask == "B" and colours == 1 else allowed
