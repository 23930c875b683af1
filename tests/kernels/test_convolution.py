"""Convolutions as matrix products against torch's own: values, gradients, and when they are used."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest.mock import MagicMock

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genmodels import kernels
from genmodels.config import Runtime
from genmodels.kernels import convolution
from genmodels.kernels.convolution import Conv2d, ConvTranspose2d, _Convolution, _ConvTranspose, use_products
from genmodels.recipes import Spec, family, parse_overrides, resolve
from genmodels.training import tune
from tests.conftest import SMALL

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
    use_products(layer)
    return layer


@pytest.mark.parametrize(("asked", "enabled"), [(True, True), (True, False), (False, True)])
def test_products_are_used_only_if_the_tuner_asks_and_kernels_are_on(
    asked: bool, enabled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: list[int] = []
    convolve = convolution.convolve
    monkeypatch.setattr(convolution, "convolve", lambda *given: used.append(1) or convolve(*given))
    monkeypatch.setattr(kernels, "ENABLED", enabled)
    layer = Conv2d(8, 16, 4, 2, 1)
    model = nn.Sequential(layer)
    assert convolution.can_use_products(model) == enabled
    if asked:
        use_products(model)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        layer(torch.randn(2, 8, 8, 8)).sum().backward()
    assert bool(used) == (asked and enabled)


def _layers() -> list[tuple[nn.Module, nn.Module, Tensor]]:
    return [
        (Conv2d(8, 16, 4, 2, 1), nn.Conv2d(8, 16, 4, 2, 1), torch.randn(4, 8, 8, 8)),
        (Conv2d(8, 16, 3, padding="same"), nn.Conv2d(8, 16, 3, padding="same"), torch.randn(4, 8, 7, 7)),
        (ConvTranspose2d(8, 16, 5, 2, 2, 1), nn.ConvTranspose2d(8, 16, 5, 2, 2, 1), torch.randn(4, 8, 7, 7)),
        (Conv2d(3, 16, 4, 2, 1), nn.Conv2d(3, 16, 4, 2, 1), torch.randn(4, 3, 28, 28)),
        (ConvTranspose2d(8, 3, 4, 2, 1), nn.ConvTranspose2d(8, 3, 4, 2, 1), torch.randn(4, 8, 14, 14)),
    ]


def test_layers_share_weights_with_torchs_and_agree_to_bfloat16() -> None:
    torch.manual_seed(2)
    for ours, torchs, x in _layers():
        torchs.load_state_dict(ours.state_dict())
        use_products(ours)
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
    layer = Conv2d(8, 16, 4, 2, 1)
    use_products(layer)
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
            with_products(Conv2d(channels, 8, 4, 2, 1))(
                torch.randn(2, channels, 32, 32, requires_grad=True)
            ).sum().backward()
        with_products(ConvTranspose2d(8, 2, 4, 2, 1))(torch.randn(2, 8, 16, 16)).sum().backward()
        with_products(Conv2d(1, 8, 4, 2, 1))(torch.randn(2, 1, 32, 32)).sum().backward()
    assert interleaved == [1, 3, 2]


def test_the_penalty_of_a_critic_can_still_be_differentiated_twice() -> None:
    layer = Conv2d(3, 4, 4, 2, 1)
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


def _spec(precision: str) -> Spec:
    patch = parse_overrides(
        [f"train.precision={precision}", "train.compile=off", "run.threads=1", "train.max_steps=90000"]
    )
    return resolve(family("dcgan"), overrides={**patch, "model": SMALL["dcgan"]})


@pytest.mark.parametrize(
    ("precision", "products", "expected"),
    [("auto", 0.5, True), ("auto", 2.0, False), ("bf16", 0.5, True), ("fp32", 0.5, False)],
)
def test_the_tuner_uses_products_if_they_make_a_bfloat16_step_faster(
    precision: str, products: float, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    timed: list[Runtime] = []

    def seconds(_spec: Spec, runtime: Runtime, *_: Any, **__: Any) -> float:
        timed.append(runtime)
        return (0.5 if runtime.precision == "bf16" else 1.0) * (products if runtime.conv_products else 1.0)

    monkeypatch.setattr(tune, "_seconds_per_step", seconds)
    monkeypatch.setattr(tune, "_seconds_of_base", seconds)
    spec = _spec(precision)
    runtime = tune.choose(spec, MagicMock(), torch.device("cpu"), lambda _text: None)
    assert runtime.conv_products == expected
    assert any(one.conv_products for one in timed) == (precision != "fp32")
    model = tune.checkpoint.build(spec.model_dump())
    tune.prepare(model, runtime)
    layers = [layer for layer in model.modules() if isinstance(layer, Conv2d | ConvTranspose2d)]
    assert [layer.by_products for layer in layers] == [expected] * 5
