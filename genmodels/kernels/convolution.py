"""Convolutions over small maps and to pictures, rewritten where a CPU computes in bfloat16.

The last layers of a discriminator see maps of 4 x 4 to 8 x 8. There oneDNN's bfloat16 convolutions, and their weight
gradients most of all, run at a seventh of the rate its matrix products reach: the weight gradient of a DCGAN's widest
layer at 64 x 64 takes 34 ms as a convolution and 6 ms as a product. So up to 4 x 4 each window of the picture is copied
out as one row (im2col; Chellapilla et al. 2006) and the layer becomes a product with the weights:

    y  = columns(x) W^T        dW = dy^T columns(x)        dx = gather(dy W)

Above that the copies cost more than they save. But two convolutions remain that oneDNN is slow at and that are others
in disguise, at which it is fast:

    dW up to 8 x 8       sums over pictures as a layer sums over channels: convolve x by dy, batch and channels swapped
    dx of 1 to 3 channels    stride^2 pictures of small kernels, interleaved (sub-pixel convolution, arXiv 1609.05158)

In float32, on other devices and for large maps torch's own are used.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.grad import conv2d_input, conv2d_weight

# In positions of the smaller map, measured at 64 to 512 channels: the swapped weight gradient wins up to 8 x 8 (28 ms
# instead of 45 for 128 to 256 channels at batch 128), products up to 4 x 4, where a map is smaller than its weights.
_WEIGHTS_UP_TO, _PRODUCTS_UP_TO = 64, 16
# Channels of what counts as a picture: a gradient of (128, 3, 64, 64) takes 8 ms instead of 14.
_PICTURE_CHANNELS = 3


class Conv2d(nn.Conv2d):
    """torch's Conv2d: (B, C, H, W) -> (B, D, H', W'), and the same weights."""

    def forward(self, x: Tensor) -> Tensor:
        padding = symmetric_padding(self)
        if padding is None or not _pays(x) or x.shape[0] == 0:
            return super().forward(x)
        height, width = (
            (side + 2 * padding - kernel) // stride + 1
            for side, kernel, stride in zip(x.shape[2:], self.kernel_size, self.stride, strict=True)
        )
        to_picture = x.shape[1] <= _PICTURE_CHANNELS and self.stride[0] > 1 and x.requires_grad
        if not (0 < height * width <= _WEIGHTS_UP_TO or (to_picture and height * width > 0)):
            return super().forward(x)
        y: Tensor = _Convolution.apply(x.bfloat16(), self.weight.bfloat16(), self.stride[0], padding)
        return y if self.bias is None else y + self.bias.to(y.dtype)[:, None, None]


class ConvTranspose2d(nn.ConvTranspose2d):
    """torch's ConvTranspose2d: (B, C, H, W) -> (B, D, H', W'), and the same weights."""

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        padding = symmetric_padding(self)
        small = 0 < x.shape[2] * x.shape[3] <= _WEIGHTS_UP_TO and x.shape[0] > 0
        picture = self.out_channels <= _PICTURE_CHANNELS and self.stride[0] > 1
        if padding is None or output_size is not None or not (small or picture) or not _pays(x):
            return super().forward(x, output_size)
        height, width = (
            (side - 1) * stride - 2 * padding + kernel + extra
            for side, kernel, stride, extra in zip(
                x.shape[2:], self.kernel_size, self.stride, self.output_padding, strict=True
            )
        )
        y: Tensor = _Transposed.apply(x.bfloat16(), self.weight.bfloat16(), self.stride[0], padding, (height, width))
        return y if self.bias is None else y + self.bias.to(y.dtype)[:, None, None]


class ToMaps(nn.Unflatten):
    """torch's Unflatten of rows into maps: (B, C H W) -> (B, C, H, W), laid out as the products above want them.

    Otherwise the first normalisation gets its input in one order and its gradient in the other, which costs it 30 ms.
    """

    def forward(self, x: Tensor) -> Tensor:
        maps = super().forward(x)
        return maps.contiguous(memory_format=torch.channels_last) if _pays(x) else maps


def symmetric_padding(layer: nn.Conv2d | nn.ConvTranspose2d) -> int | None:
    """Zeros on every side, or None where the layer is of a kind that is left to torch."""
    plain = layer.groups == 1 and layer.dilation == (1, 1) and layer.padding_mode == "zeros"
    square = len({*layer.kernel_size}) == 1 and len({*layer.stride}) == 1
    if not (plain and square):
        return None
    if layer.padding == "same":
        return layer.kernel_size[0] // 2 if layer.kernel_size[0] % 2 else None
    return int(layer.padding[0]) if layer.padding[0] == layer.padding[1] else None


def _pays(x: Tensor) -> bool:
    return (
        x.device.type == "cpu"
        and torch.is_grad_enabled()
        and torch.is_autocast_enabled("cpu")
        and torch.get_autocast_dtype("cpu") == torch.bfloat16
    )


# One trilinear form, sum(y * convolve(x, weight)), has three derivatives: each Function below is one of them, and the
# gradient of each is the other two. So all of them can be differentiated again, which a gradient penalty needs.


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.settings = stride, padding
        return convolve(x, weight, stride, padding)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        needs_x, needs_weight, *_ = ctx.needs_input_grad
        dx = _Transposed.apply(dy, weight, *ctx.settings, x.shape[2:]) if needs_x else None
        dw = _WeightGradient.apply(x, dy, *ctx.settings, weight.shape[2]) if needs_weight else None
        return dx, dw, None, None


class _Transposed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, y: Tensor, weight: Tensor, stride: int, padding: int, size: tuple[int, int]) -> Tensor:
        ctx.save_for_backward(y, weight)
        ctx.settings = stride, padding
        return spread(y, weight, stride, padding, size)

    @staticmethod
    def backward(ctx: Any, dx: Tensor) -> tuple[Tensor | None, ...]:
        y, weight = ctx.saved_tensors
        needs_y, needs_weight, *_ = ctx.needs_input_grad
        dy = _Convolution.apply(dx, weight, *ctx.settings) if needs_y else None
        dw = _WeightGradient.apply(dx, y, *ctx.settings, weight.shape[2]) if needs_weight else None
        return dy, dw, None, None, None


class _WeightGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor, stride: int, padding: int, kernel: int) -> Tensor:
        ctx.save_for_backward(x, y)
        ctx.settings = stride, padding
        return weight_gradient(x, y, kernel, stride, padding)

    @staticmethod
    def backward(ctx: Any, dw: Tensor) -> tuple[Tensor | None, ...]:
        x, y = ctx.saved_tensors
        needs_x, needs_y, *_ = ctx.needs_input_grad
        dx = _Transposed.apply(y, dw, *ctx.settings, x.shape[2:]) if needs_x else None
        dy = _Convolution.apply(x, dw, *ctx.settings) if needs_y else None
        return dx, dy, None, None, None


def convolve(x: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
    """(B, C, H, W) with weights (D, C, k, k) -> (B, D, h, w)."""
    kernel = weight.shape[2]
    height, width = ((side + 2 * padding - kernel) // stride + 1 for side in x.shape[2:])
    if height * width > _PRODUCTS_UP_TO:
        return F.conv2d(x, weight, None, stride, padding)
    rows = _columns(x, kernel, stride, padding, height, width) @ _as_matrix(weight).t()
    return rows.view(len(x), height, width, -1).permute(0, 3, 1, 2)


def spread(y: Tensor, weight: Tensor, stride: int, padding: int, size: tuple[int, ...]) -> Tensor:
    """What `convolve` maps to y's shape, turned around: (B, D, h, w) -> (B, C, *size)."""
    batch, _, height, width = y.shape
    channels, kernel = weight.shape[1], weight.shape[2]
    if height * width > _PRODUCTS_UP_TO and channels <= _PICTURE_CHANNELS and stride > 1:
        return _sub_pixels(y, weight, stride, padding, size)
    if height * width > _PRODUCTS_UP_TO:
        gradient: Tensor = conv2d_input((batch, channels, *size), weight, y, stride, padding)  # type: ignore[no-untyped-call]
        return gradient
    windows = (_rows(y) @ _as_matrix(weight)).view(batch, height, width, kernel, kernel, channels)
    # Windows reach beyond the padded picture's end only where a transposed convolution leaves rows without input.
    padded = [max(side + 2 * padding, (n - 1) * stride + kernel) for side, n in zip(size, (height, width), strict=True)]
    sums = windows.new_zeros(batch, *padded, channels)
    for row in range(kernel):
        for column in range(kernel):
            touched = sums[:, row : row + stride * height : stride, column : column + stride * width : stride]
            touched += windows[:, :, :, row, column]
    inside = sums[:, padding : padding + size[0], padding : padding + size[1]]
    return inside.permute(0, 3, 1, 2)


def _sub_pixels(y: Tensor, weight: Tensor, stride: int, padding: int, size: tuple[int, ...]) -> Tensor:
    """`spread` as a convolution: one picture for each row and column of a pixel modulo the stride, then interleaved.

    Pixel stride * m + i of the padded picture gets sum_t y[m - t] weight[i + stride * t].
    """
    outputs, channels, kernel, _ = weight.shape
    taps = -(-kernel // stride)
    rest = taps * stride - kernel
    by_tap = F.pad(weight, (0, rest, 0, rest)).reshape(outputs, channels, taps, stride, taps, stride)
    kernels = by_tap.flip(2, 4).permute(1, 3, 5, 0, 2, 4).flatten(0, 2)  # (C stride stride, D, taps, taps)
    whole = F.pixel_shuffle(F.conv2d(y, kernels, padding=taps - 1), stride)
    beyond = [max(0, padding + side - found) for side, found in zip(size, whole.shape[2:], strict=True)]
    whole = F.pad(whole, (0, beyond[1], 0, beyond[0]))
    return whole[:, :, padding : padding + size[0], padding : padding + size[1]]


def weight_gradient(x: Tensor, dy: Tensor, kernel: int, stride: int, padding: int) -> Tensor:
    """(D, C, k, k) from the larger map (B, C, H, W) and the smaller one's gradient (B, D, h, w)."""
    height, width = dy.shape[2:]
    if height * width > _WEIGHTS_UP_TO:
        gradient: Tensor = conv2d_weight(x, (dy.shape[1], x.shape[1], kernel, kernel), dy, stride, padding)  # type: ignore[no-untyped-call]
        return gradient
    if height * width > _PRODUCTS_UP_TO:
        # In the plain layout: oneDNN turns pictures into its innermost axis faster than a copy to channels-last does.
        swapped = F.conv2d(x.transpose(0, 1).contiguous(), dy.transpose(0, 1).contiguous(), None, 1, padding, stride)
        return swapped[:, :, :kernel, :kernel].transpose(0, 1)
    # Turned around in memory first: oneDNN's bfloat16 product of a transposed left side takes half as long again.
    flat = _rows(dy).t().contiguous() @ _columns(x, kernel, stride, padding, height, width)
    return flat.view(dy.shape[1], kernel, kernel, x.shape[1]).permute(0, 3, 1, 2)


def _columns(x: Tensor, kernel: int, stride: int, padding: int, height: int, width: int) -> Tensor:
    """Every window of a zero-padded picture as one row: (B, C, H, W) -> (B h w, k k C)."""
    x = F.pad(x, (padding, padding, padding, padding)).permute(0, 2, 3, 1).contiguous()
    per_picture, per_row, per_column, _ = x.stride()
    shape = (len(x), height, width, kernel, kernel, x.shape[3])
    strides = (per_picture, per_row * stride, per_column * stride, per_row, per_column, 1)
    return x.as_strided(shape, strides).reshape(len(x) * height * width, -1)


def _rows(y: Tensor) -> Tensor:
    """(B, D, h, w) -> (B h w, D)."""
    return y.permute(0, 2, 3, 1).reshape(-1, y.shape[1])


def _as_matrix(weight: Tensor) -> Tensor:
    """(D, C, k, k) -> (D, k k C), in the order of `_columns`."""
    return weight.permute(0, 2, 3, 1).reshape(len(weight), -1)
