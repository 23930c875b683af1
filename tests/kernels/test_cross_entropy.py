"""The cross entropy of many choices: PyTorch's values and slopes, in parts and for every precision."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from genmodels.kernels.cross_entropy import cross_entropy


@pytest.mark.parametrize("rows", [1, 1023, 1025, 2500])
def test_values_and_slopes_are_pytorchs(rows: int) -> None:
    torch.manual_seed(0)
    logits = (3 * torch.randn(rows, 7, dtype=torch.float64)).requires_grad_()
    target, weight = torch.randint(0, 7, (rows,)), torch.randn(rows, dtype=torch.float64)
    wanted, found = F.cross_entropy(logits, target, reduction="none"), cross_entropy(logits, target)
    torch.testing.assert_close(found, wanted)
    theirs, ours = (torch.autograd.grad((part * weight).sum(), logits)[0] for part in (wanted, found))
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(cross_entropy(logits.detach(), target), wanted)


def test_by_hand() -> None:
    logits = torch.tensor([[0.0, math.log(3)]], requires_grad=True)  # probabilities 1/4 and 3/4
    loss = cross_entropy(logits, torch.tensor([0]))
    assert float(loss.detach()) == pytest.approx(math.log(4))
    loss.sum().backward()
    assert logits.grad is not None
    assert logits.grad.tolist() == [[pytest.approx(-0.75), pytest.approx(0.75)]]


def test_half_precision_costs_what_it_rounds() -> None:
    torch.manual_seed(0)
    logits = torch.randn(2000, 256).bfloat16().requires_grad_()
    target = torch.randint(0, 256, (2000,))
    loss = cross_entropy(logits, target)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, F.cross_entropy(logits.float(), target, reduction="none"))
    (ours,) = torch.autograd.grad(loss.mean(), logits)
    (theirs,) = torch.autograd.grad(F.cross_entropy(logits.float(), target), logits)
    assert ours.dtype == torch.bfloat16
    torch.testing.assert_close(ours.float(), theirs.float(), rtol=0.02, atol=1e-9)


def test_views_of_pictures_laid_out_channels_last() -> None:
    torch.manual_seed(0)
    logits = torch.randn(2, 5, 3, 4).to(memory_format=torch.channels_last).requires_grad_()
    target = torch.randint(0, 5, (2, 3, 4))
    rows = logits.permute(0, 2, 3, 1).flatten(0, 2)
    (ours,) = torch.autograd.grad(cross_entropy(rows, target.flatten()).sum(), logits)
    (theirs,) = torch.autograd.grad(F.cross_entropy(logits, target, reduction="sum"), logits)
    torch.testing.assert_close(ours, theirs)
