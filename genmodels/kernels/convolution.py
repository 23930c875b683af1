"""Convolutions over small maps and to images, as matrix products, for bfloat16 on a CPU.

The last layers of a discriminator see maps of 4 x 4 to 8 x 8. On some processors oneDNN's bfloat16 convolutions, and
their weight gradients most of all, run there at a seventh of the rate of its matrix products. So up to 4 x 4 each
window of the image is copied out as one row (im2col; Chellapilla et al. 2006) and the layer becomes a product with the
weights:

    y  = columns(x) W^T        dW = dy^T columns(x)        dx = gather(dy W)

Above that the copies cost more than they gain. But two slow convolutions equal others that are fast:

    dW up to 8 x 8       a sum over images as a layer is one over channels: convolve x by dy, batch and channels swapped
    dx of 1 to 3 channels    stride^2 images of small kernels, interleaved (sub-pixel convolution, arXiv 1609.05158)

On other processors torch's own are as fast, so the tuner times both (`training/tune.py`). The plain reference of each
function is the forward pass of torch's layer.
"""

from __future__ import annotations

from collections.abc import Callable
from types import MethodType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.grad import conv2d_input, conv2d_weight

# In positions of the smaller map, measured at 64 to 512 channels: the swapped weight gradient wins up to 8 x 8 (28 ms
# instead of 45 for 128 to 256 channels at batch 128), products up to 4 x 4, where a map is smaller than its weights.
_WEIGHTS_UP_TO, _PRODUCTS_UP_TO = 64, 16
# The most channels of an image: a gradient of (128, 3, 64, 64) takes 8 ms instead of 14.
_IMAGE_CHANNELS = 3


def conv2d(layer: nn.Conv2d, x: Tensor) -> Tensor:
    """nn.Conv2d.forward, with products if maps are small: (B, C, H, W) -> (B, D, H', W')."""
    padding = symmetric_padding(layer)
    if padding is None or not _applies(x) or x.shape[0] == 0:
        return nn.Conv2d.forward(layer, x)
    height, width = (
        (side + 2 * padding - kernel) // stride + 1
        for side, kernel, stride in zip(x.shape[2:], layer.kernel_size, layer.stride, strict=True)
    )
    to_image = x.shape[1] <= _IMAGE_CHANNELS and layer.stride[0] > 1 and x.requires_grad
    if not (0 < height * width <= _WEIGHTS_UP_TO or (to_image and height * width > 0)):
        return nn.Conv2d.forward(layer, x)
    y: Tensor = _Convolution.apply(x.bfloat16(), layer.weight.bfloat16(), layer.stride[0], padding)
    return y if layer.bias is None else y + layer.bias.to(y.dtype)[:, None, None]


def conv_transpose2d(layer: nn.ConvTranspose2d, x: Tensor, output_size: list[int] | None = None) -> Tensor:
    """nn.ConvTranspose2d.forward, with products if maps are small: (B, C, H, W) -> (B, D, H', W')."""
    padding = symmetric_padding(layer)
    small = 0 < x.shape[2] * x.shape[3] <= _WEIGHTS_UP_TO and x.shape[0] > 0
    image = layer.out_channels <= _IMAGE_CHANNELS and layer.stride[0] > 1
    if padding is None or output_size is not None or not ((small or image) and _applies(x)):
        return nn.ConvTranspose2d.forward(layer, x, output_size)
    height, width = (
        (side - 1) * stride - 2 * padding + kernel + extra
        for side, kernel, stride, extra in zip(
            x.shape[2:], layer.kernel_size, layer.stride, layer.output_padding, strict=True
        )
    )
    y: Tensor = _ConvTranspose.apply(x.bfloat16(), layer.weight.bfloat16(), layer.stride[0], padding, (height, width))
    return y if layer.bias is None else y + layer.bias.to(y.dtype)[:, None, None]


def to_maps(layer: nn.Unflatten, x: Tensor) -> Tensor:
    """nn.Unflatten.forward of rows into maps, (B, C H W) -> (B, C, H, W), in channels-last, as the products are.

    Otherwise the first normalisation gets input and gradient in different layouts, which costs it 30 ms.
    """
    maps = nn.Unflatten.forward(layer, x)
    return maps.contiguous(memory_format=torch.channels_last) if maps.dim() == 4 and _applies(x) else maps


_FORWARD: dict[Any, Callable[..., Tensor]] = {
    nn.Conv2d.forward: conv2d,
    nn.ConvTranspose2d.forward: conv_transpose2d,
    nn.Unflatten.forward: to_maps,
}


def supports(model: nn.Module) -> bool:
    """Whether the model has convolutions that `use` changes: none with a forward pass of their own (masked ones)."""
    forwards = {type(layer).forward for layer in model.modules()}
    return not forwards.isdisjoint((nn.Conv2d.forward, nn.ConvTranspose2d.forward))


def use(model: nn.Module) -> None:
    """Makes the convolutions of this module use products in bfloat16 on a CPU."""
    for layer in model.modules():
        if type(layer).forward in _FORWARD:
            layer.forward = MethodType(_FORWARD[type(layer).forward], layer)


def symmetric_padding(layer: nn.Conv2d | nn.ConvTranspose2d) -> int | None:
    """Zeros on every side, or None if products do not support the layer."""
    plain = layer.groups == 1 and layer.dilation == (1, 1) and layer.padding_mode == "zeros"
    square = len({*layer.kernel_size}) == 1 and len({*layer.stride}) == 1
    if not (plain and square):
        return None
    if layer.padding == "same":
        return layer.kernel_size[0] // 2 if layer.kernel_size[0] % 2 else None
    return int(layer.padding[0]) if layer.padding[0] == layer.padding[1] else None


def _applies(x: Tensor) -> bool:
    """Whether x is in a training step with bfloat16 autocast on a CPU."""
    return (
        x.device.type == "cpu"
        and torch.is_grad_enabled()
        and torch.is_autocast_enabled("cpu")
        and torch.get_autocast_dtype("cpu") == torch.bfloat16
    )


# The three Functions below are the derivatives of one trilinear form, sum(y * convolve(x, weight)), and the gradient of
# each is the other two. So all can be differentiated again, which a gradient penalty needs.


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
        dx = _ConvTranspose.apply(dy, weight, *ctx.settings, x.shape[2:]) if needs_x else None
        dw = _WeightGradient.apply(x, dy, *ctx.settings, weight.shape[2]) if needs_weight else None
        return dx, dw, None, None


class _ConvTranspose(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, y: Tensor, weight: Tensor, stride: int, padding: int, size: tuple[int, int]) -> Tensor:
        ctx.save_for_backward(y, weight)
        ctx.settings = stride, padding
        return conv_transpose(y, weight, stride, padding, size)

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
        dx = _ConvTranspose.apply(y, dw, *ctx.settings, x.shape[2:]) if needs_x else None
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


def conv_transpose(y: Tensor, weight: Tensor, stride: int, padding: int, size: tuple[int, ...]) -> Tensor:
    """The transpose of `convolve`: (B, D, h, w) -> (B, C, *size)."""
    batch, _, height, width = y.shape
    channels, kernel = weight.shape[1], weight.shape[2]
    if height * width > _PRODUCTS_UP_TO and channels <= _IMAGE_CHANNELS and stride > 1:
        return _sub_pixels(y, weight, stride, padding, size)
    if height * width > _PRODUCTS_UP_TO:
        gradient: Tensor = conv2d_input((batch, channels, *size), weight, y, stride, padding)  # type: ignore[no-untyped-call]
        return gradient
    windows = (_rows(y) @ _as_matrix(weight)).view(batch, height, width, kernel, kernel, channels)
    # Windows extend past the padded image only if a transposed convolution leaves rows without input.
    padded = [max(side + 2 * padding, (n - 1) * stride + kernel) for side, n in zip(size, (height, width), strict=True)]
    sums = windows.new_zeros(batch, *padded, channels)
    for row in range(kernel):
        for column in range(kernel):
            target = sums[:, row : row + stride * height : stride, column : column + stride * width : stride]
            target += windows[:, :, :, row, column]
    cropped = sums[:, padding : padding + size[0], padding : padding + size[1]]
    return cropped.permute(0, 3, 1, 2)


def _sub_pixels(y: Tensor, weight: Tensor, stride: int, padding: int, size: tuple[int, ...]) -> Tensor:
    """`conv_transpose` as a convolution: one image per row and column modulo the stride, then interleaved.

    Pixel stride * m + i of the padded image is sum_t y[m - t] weight[i + stride * t].
    """
    outputs, channels, kernel, _ = weight.shape
    taps = -(-kernel // stride)
    missing = taps * stride - kernel
    by_tap = F.pad(weight, (0, missing, 0, missing)).reshape(outputs, channels, taps, stride, taps, stride)
    sub_kernels = by_tap.flip(2, 4).permute(1, 3, 5, 0, 2, 4).flatten(0, 2)  # (C stride stride, D, taps, taps)
    image = F.pixel_shuffle(F.conv2d(y, sub_kernels, padding=taps - 1), stride)
    below, right = (max(0, padding + side - computed) for side, computed in zip(size, image.shape[2:], strict=True))
    image = F.pad(image, (0, right, 0, below))
    return image[:, :, padding : padding + size[0], padding : padding + size[1]]


def weight_gradient(x: Tensor, dy: Tensor, kernel: int, stride: int, padding: int) -> Tensor:
    """(D, C, k, k) from the larger map (B, C, H, W) and the smaller one's gradient (B, D, h, w)."""
    height, width = dy.shape[2:]
    if height * width > _WEIGHTS_UP_TO:
        gradient: Tensor = conv2d_weight(x, (dy.shape[1], x.shape[1], kernel, kernel), dy, stride, padding)  # type: ignore[no-untyped-call]
        return gradient
    if height * width > _PRODUCTS_UP_TO:
        # In the default layout: oneDNN moves the batch to its innermost axis faster than a channels-last copy does.
        swapped = F.conv2d(x.transpose(0, 1).contiguous(), dy.transpose(0, 1).contiguous(), None, 1, padding, stride)
        return swapped[:, :, :kernel, :kernel].transpose(0, 1)
    # Transposed in memory first: oneDNN's bfloat16 product of a transposed left operand takes half as long again.
    flat = _rows(dy).t().contiguous() @ _columns(x, kernel, stride, padding, height, width)
    return flat.view(dy.shape[1], kernel, kernel, x.shape[1]).permute(0, 3, 1, 2)


def _columns(x: Tensor, kernel: int, stride: int, padding: int, height: int, width: int) -> Tensor:
    """Every window of a zero-padded image as one row: (B, C, H, W) -> (B h w, k k C)."""
    x = F.pad(x, (padding, padding, padding, padding)).permute(0, 2, 3, 1).contiguous()
    per_image, per_row, per_column, _ = x.stride()
    shape = (len(x), height, width, kernel, kernel, x.shape[3])
    strides = (per_image, per_row * stride, per_column * stride, per_row, per_column, 1)
    return x.as_strided(shape, strides).reshape(len(x) * height * width, -1)


def _rows(y: Tensor) -> Tensor:
    """(B, D, h, w) -> (B h w, D)."""
    return y.permute(0, 2, 3, 1).reshape(-1, y.shape[1])


def _as_matrix(weight: Tensor) -> Tensor:
    """(D, C, k, k) -> (D, k k C), in the order of `_columns`."""
    return weight.permute(0, 2, 3, 1).reshape(len(weight), -1)
