"""Dropout: rate, mean, independence, gradients, and torch's own if kernels are off."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from genmodels import kernels
from genmodels.kernels.dropout import Dropout


@pytest.mark.parametrize("p", [0.1, 0.3, 0.5])
def test_it_drops_at_its_rate_and_keeps_the_mean(p: float) -> None:
    torch.manual_seed(0)
    out = Dropout(p)(torch.ones(1001, 999))
    assert float((out == 0).float().mean()) == pytest.approx(p, abs=0.002)
    assert float(out.mean()) == pytest.approx(1, abs=0.005)
    assert out.unique().tolist() == pytest.approx([0.0, 1 / (1 - p)], rel=1e-4)


def test_values_are_dropped_independently_also_within_one_random_number() -> None:
    torch.manual_seed(1)
    dropped = (Dropout(0.5)(torch.ones(400_000)) == 0).float().view(-1, 4)
    covariance = torch.cov(dropped.T)
    assert torch.allclose(covariance, 0.25 * torch.eye(4), atol=0.005)
    rows = dropped.sum(1)
    assert torch.allclose(
        torch.bincount(rows.long(), minlength=5) / len(rows), torch.tensor([1, 4, 6, 4, 1]) / 16, atol=0.005
    )


def test_gradients_pass_where_values_passed() -> None:
    torch.manual_seed(2)
    x = torch.randn(50, 7, requires_grad=True)
    out = Dropout(0.3)(x)
    out.sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad == 0, out == 0)


def test_it_does_nothing_when_sampling_and_repeats_with_the_seed() -> None:
    x = torch.randn(10, 3)
    assert torch.equal(Dropout(0.5).eval()(x), x)
    torch.manual_seed(3)
    first = Dropout(0.5)(x)
    torch.manual_seed(3)
    assert torch.equal(Dropout(0.5)(x), first)


def test_it_is_torchs_if_kernels_are_off(monkeypatch: pytest.MonkeyPatch) -> None:
    x, results = torch.randn(64, 64), []
    for enabled in (False, True):
        monkeypatch.setattr(kernels, "ENABLED", enabled)
        torch.manual_seed(3)
        results.append(Dropout(0.5)(x))
    torch.manual_seed(3)
    assert torch.equal(results[0], F.dropout(x, 0.5))
    assert not torch.equal(results[0], results[1])
