"""Convolutions as matrix products against torch's own: values, gradients, and when they are used."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genmodels.kernels import convolution
from genmodels.kernels.convolution import _Convolution, _ConvTranspose
from genmodels.layers.masked import MaskedConv2d
from tests.conftest import small_model

# kernel, stride, padding, side of the larger map: odd and even kernels, sizes that leave a rest, 16 and 49 positions
_CASES = [
    (4, 2, 1, 8),
    (3, 2, 1, 7),
    (5, 2, 2, 8),
    (5, 2, 2, 14),
    (3, 1, 1, 4),
    (5, 1, 2, 7),
    (4, 2, 0, 9),
    (8, 2, 0, 14),
]


def _gradients(function: Callable[[Tensor, Tensor], Tensor], x: Tensor, weight: Tensor) -> tuple[Tensor, ...]:
    x, weight = x.clone().requires_grad_(), weight.clone().requires_grad_()
    y = function(x, weight)
    y.backward(torch.sin(torch.arange(y.numel(), dtype=y.dtype)).view(y.shape))
    assert x.grad is not None
    assert weight.grad is not None
    return y.detach(), x.grad, weight.grad


# products, swapped weight gradients, sub-pixels with and without those, torch's own
_SIZES = [(5, 0), (1, 0), (3, 7), (1, 16), (5, 16)]


@pytest.mark.parametrize(("channels", "more"), _SIZES)
@pytest.mark.parametrize(("kernel", "stride", "padding", "side"), _CASES)
def test_a_convolution_is_torchs(kernel: int, stride: int, padding: int, side: int, channels: int, more: int) -> None:
    torch.manual_seed(0)
    x = torch.randn(3, channels, side + more, side + more + 1).double()
    weight = torch.randn(6, channels, kernel, kernel).double()
    ours = _gradients(lambda x, w: _Convolution.apply(x, w, stride, padding), x, weight)
    torchs = _gradients(lambda x, w: F.conv2d(x, w, None, stride, padding), x, weight)
    for one, other in zip(ours, torchs, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("extra", [0, 1])
@pytest.mark.parametrize(("kernel", "stride", "padding"), [(4, 2, 1), (5, 2, 2), (3, 3, 0), (2, 4, 0), (8, 2, 1)])
@pytest.mark.parametrize(("side", "channels"), [(1, 5), (4, 5), (7, 5), (5, 1), (12, 3)])
def test_a_transposed_convolution_is_torchs(
    kernel: int, stride: int, padding: int, extra: int, side: int, channels: int
) -> None:
    torch.manual_seed(1)
    x, weight = torch.randn(3, 6, side, side).double(), torch.randn(6, channels, kernel, kernel).double()
    size = (side - 1) * stride - 2 * padding + kernel + extra
    ours = _gradients(lambda x, w: _ConvTranspose.apply(x, w, stride, padding, (size, size)), x, weight)
    torchs = _gradients(lambda x, w: F.conv_transpose2d(x, w, None, stride, padding, extra), x, weight)
    for one, other in zip(ours, torchs, strict=True):
        torch.testing.assert_close(one, other)


def with_products(layer: nn.Module) -> nn.Module:
    convolution.use(layer)
    return layer


def test_a_layer_uses_products_if_they_are_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[int] = []
    convolve = convolution.convolve
    monkeypatch.setattr(convolution, "convolve", lambda *given: used.append(1) or convolve(*given))
    model = nn.Sequential(nn.Conv2d(8, 16, 4, 2, 1))
    for chosen in (False, True):
        if chosen:
            convolution.use(model)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            model(torch.randn(2, 8, 8, 8)).sum().backward()
        assert bool(used) == chosen


def test_masked_convolutions_stay_as_they_are() -> None:
    masked = MaskedConv2d(2, 4, 3, "A")
    assert not convolution.supports(masked)
    convolution.use(masked)
    assert "forward" not in vars(masked)


@pytest.mark.parametrize("norm", ["none", "spectral"])
def test_all_convolutions_of_a_gan_use_products(norm: str) -> None:
    model = small_model("dcgan", discriminator_norm=norm)
    assert convolution.supports(model)
    convolution.use(model)
    layers = [layer for layer in model.modules() if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)]
    assert ["forward" in vars(layer) for layer in layers] == [True] * 5


@pytest.mark.parametrize("applies", [True, False])
def test_maps_are_laid_out_as_the_products_only_with_bfloat16(applies: bool) -> None:
    layer = nn.Unflatten(1, (4, 3, 3))
    convolution.use(layer)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=applies):
        maps = layer(torch.arange(72.0).view(2, 36))
    assert torch.equal(maps, torch.arange(72.0).view(2, 4, 3, 3))
    assert maps.is_contiguous(memory_format=torch.channels_last) == applies


def _layers() -> list[tuple[nn.Module, Tensor]]:
    return [
        (nn.Conv2d(8, 16, 4, 2, 1), torch.randn(4, 8, 8, 8)),
        (nn.Conv2d(8, 16, 3, padding="same"), torch.randn(4, 8, 7, 7)),
        (nn.ConvTranspose2d(8, 16, 5, 2, 2, 1), torch.randn(4, 8, 7, 7)),
        (nn.Conv2d(3, 16, 4, 2, 1), torch.randn(4, 3, 28, 28)),
        (nn.ConvTranspose2d(8, 3, 4, 2, 1), torch.randn(4, 8, 14, 14)),
    ]


def test_layers_share_weights_with_torchs_and_agree_to_bfloat16() -> None:
    torch.manual_seed(2)
    for torchs, x in _layers():
        ours = with_products(deepcopy(torchs))
        results = []
        for layer in (ours, torchs):
            inputs = x.clone().requires_grad_()
            with torch.autocast("cpu", dtype=torch.bfloat16):
                y = layer(inputs)
            assert y.dtype == torch.bfloat16
            y.float().square().mean().backward()
            assert inputs.grad is not None
            results.append([y.float(), inputs.grad, *(parameter.grad for parameter in layer.parameters())])
        for one, other in zip(*results, strict=True):
            assert float(((one - other).norm() / other.norm()).detach()) < 0.01


def test_products_are_used_in_bfloat16_on_small_maps_only(monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[tuple[int, ...]] = []
    columns = convolution._columns

    def counted(x: Tensor, *rest: int) -> Tensor:
        used.append(tuple(x.shape))
        return columns(x, *rest)

    monkeypatch.setattr(convolution, "_columns", counted)
    layer = nn.Conv2d(8, 16, 4, 2, 1)
    convolution.use(layer)
    small, large = torch.randn(2, 8, 8, 8), torch.randn(2, 8, 32, 32)
    layer(small).sum().backward()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        layer(large).sum().backward()
        with torch.no_grad():
            layer(small)
    assert used == []
    with torch.autocast("cpu", dtype=torch.bfloat16):
        layer(small).sum().backward()
    assert len(used) == 2  # forward, and the weight gradient


def test_gradients_to_images_are_interleaved_and_others_are_torchs(monkeypatch: pytest.MonkeyPatch) -> None:
    interleaved: list[int] = []
    sub_pixels = convolution._sub_pixels

    def counted(y: Tensor, weight: Tensor, *rest: Any) -> Tensor:
        interleaved.append(weight.shape[1])
        return sub_pixels(y, weight, *rest)

    monkeypatch.setattr(convolution, "_sub_pixels", counted)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        for channels in (1, 3, 4):
            with_products(nn.Conv2d(channels, 8, 4, 2, 1))(
                torch.randn(2, channels, 32, 32, requires_grad=True)
            ).sum().backward()
        with_products(nn.ConvTranspose2d(8, 2, 4, 2, 1))(torch.randn(2, 8, 16, 16)).sum().backward()
        with_products(nn.Conv2d(1, 8, 4, 2, 1))(torch.randn(2, 1, 32, 32)).sum().backward()
    assert interleaved == [1, 3, 2]


def test_the_penalty_of_a_critic_can_still_be_differentiated_twice() -> None:
    layer = nn.Conv2d(3, 4, 4, 2, 1)
    x = torch.randn(2, 3, 8, 8, requires_grad=True)
    (slope,) = torch.autograd.grad(layer(x).tanh().sum(), x, create_graph=True)
    slope.square().sum().backward()
    assert layer.weight.grad is not None
    assert float(layer.weight.grad.abs().sum()) > 0


@pytest.mark.parametrize(("kernel", "stride", "padding", "side"), _CASES)
def test_second_derivatives_are_torchs(kernel: int, stride: int, padding: int, side: int) -> None:
    torch.manual_seed(3)
    x, weight = torch.randn(2, 3, side, side).double(), torch.randn(4, 3, kernel, kernel).double()

    def penalty(function: Callable[[Tensor, Tensor], Tensor]) -> tuple[Tensor, ...]:
        inputs, weights = x.clone().requires_grad_(), weight.clone().requires_grad_()
        (slope,) = torch.autograd.grad(function(inputs, weights).tanh().sum(), inputs, create_graph=True)
        return torch.autograd.grad((slope.flatten(1).norm(dim=1) - 1).square().sum(), (inputs, weights))

    ours = penalty(lambda x, w: _Convolution.apply(x, w, stride, padding))
    torchs = penalty(lambda x, w: F.conv2d(x, w, None, stride, padding))
    for one, other in zip(ours, torchs, strict=True):
        torch.testing.assert_close(one, other)
