"""Dropout with fewer random numbers: rate, mean, independence, gradients, and torch's own unless it is chosen."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from genmodels.kernels import dropout


def fast(p: float) -> nn.Module:
    """A dropout layer that uses the kernel."""
    layer = nn.Dropout(p)
    dropout.use(layer)
    return layer


@pytest.mark.parametrize("p", [0.1, 0.3, 0.5])
def test_it_drops_at_its_rate_and_keeps_the_mean(p: float) -> None:
    torch.manual_seed(0)
    out = fast(p)(torch.ones(1001, 999))
    assert float((out == 0).float().mean()) == pytest.approx(p, abs=0.002)
    assert float(out.mean()) == pytest.approx(1, abs=0.005)
    assert out.unique().tolist() == pytest.approx([0.0, 1 / (1 - p)], rel=1e-4)


def test_values_are_dropped_independently_also_within_one_random_number() -> None:
    torch.manual_seed(1)
    dropped = (fast(0.5)(torch.ones(400_000)) == 0).float().view(-1, 4)
    covariance = torch.cov(dropped.T)
    assert torch.allclose(covariance, 0.25 * torch.eye(4), atol=0.005)
    rows = dropped.sum(1)
    assert torch.allclose(
        torch.bincount(rows.long(), minlength=5) / len(rows), torch.tensor([1, 4, 6, 4, 1]) / 16, atol=0.005
    )


def test_gradients_pass_where_values_passed() -> None:
    torch.manual_seed(2)
    x = torch.randn(50, 7, requires_grad=True)
    out = fast(0.3)(x)
    out.sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad == 0, out == 0)


def test_it_does_nothing_when_sampling_and_repeats_with_the_seed() -> None:
    x = torch.randn(10, 3)
    assert torch.equal(fast(0.5).eval()(x), x)
    torch.manual_seed(3)
    first = fast(0.5)(x)
    torch.manual_seed(3)
    assert torch.equal(fast(0.5)(x), first)


def test_gradients_are_torchs_at_the_same_mask() -> None:
    torch.manual_seed(4)
    x = torch.randn(50, 7, dtype=torch.float64, requires_grad=True)
    out = fast(0.25)(x)
    (gradient,) = torch.autograd.grad(out.sin().sum(), x)
    scaled = torch.where(out == 0, 0.0, x / 0.75)
    torch.testing.assert_close(out, scaled, rtol=1e-12, atol=0)
    torch.testing.assert_close(gradient, torch.autograd.grad(scaled.sin().sum(), x)[0], rtol=1e-12, atol=0)


@pytest.mark.parametrize(("p", "drops"), [(0.0, False), (0.3, True), (1.0, False)])
def test_only_a_layer_that_drops_some_values_uses_it(p: float, drops: bool) -> None:
    assert dropout.supports(nn.Sequential(nn.Linear(2, 2), nn.Dropout(p))) == drops
    x = torch.randn(20, 3)
    assert bool((fast(p)(x) == 0).all()) == (p == 1)
