"""The kernels of WaveNet's layers against their plain versions: values and gradients, switched on and off."""

from __future__ import annotations

import pytest
import torch

from genmodels import kernels
from genmodels.kernels import causal


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("enabled", [True, False])
def test_a_gated_layer_is_its_plain_version(last: bool, enabled: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "ENABLED", enabled)
    torch.manual_seed(0)
    lengths, spans = [7, 1, 4], [3, 4, 1, 2, 2]
    shapes = [(12, 3), (6, 6), (5, 6)] + ([] if last else [(3, 3), (3,)])
    inputs = [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes]
    x, weight, bias, *rest = inputs
    residual = (rest[0], rest[1]) if rest else None
    own = causal.gated_layer(x, weight, bias, residual, lengths, spans, 2)
    plain = causal.gated_layer_reference(x, weight, bias, residual, lengths, spans, 2)
    for one, two in zip(own, plain, strict=True):
        torch.testing.assert_close(one, two)
    totals = [following.cos().sum() + z.sin().sum() for following, z in (own, plain)]
    gradients = [torch.autograd.grad(total, inputs) for total in totals]
    for one, two in zip(*gradients, strict=True):
        torch.testing.assert_close(one, two)
        assert float(two.abs().max()) > 0


def test_a_gated_layer_in_bfloat16_is_near_its_plain_version() -> None:
    torch.manual_seed(0)
    x, weight, bias = (torch.randn(shape).bfloat16() for shape in ((40, 8), (16, 16), (1, 16)))
    _, own = causal.gated_layer(x, weight / 4, bias, None, [40], [40], 4)
    _, plain = causal.gated_layer_reference(x.float(), weight.float() / 4, bias.float(), None, [40], [40], 4)
    assert own.dtype == torch.bfloat16
    torch.testing.assert_close(own.float(), plain, rtol=0.05, atol=0.02)


@pytest.mark.parametrize("enabled", [True, False])
def test_the_sum_of_skips_is_its_plain_version(enabled: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "ENABLED", enabled)
    torch.manual_seed(0)
    parts = [torch.randn(4, width, dtype=torch.float64, requires_grad=True) for width in (1, 2, 3)]
    weight, bias = (torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in ((5, 6), (5,)))
    own, plain = causal.skip_sum(parts, weight, bias), causal.skip_sum_reference(parts, weight, bias)
    torch.testing.assert_close(own, plain)
    gradients = [torch.autograd.grad(y.sin().sum(), [*parts, weight, bias]) for y in (own, plain)]
    for one, two in zip(*gradients, strict=True):
        torch.testing.assert_close(one, two)
