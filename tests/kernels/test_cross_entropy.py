"""The fused cross entropy of bfloat16 logits against its plain version, and the plain version by hand."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from genmodels import kernels
from genmodels.kernels import cross_entropy as module
from genmodels.kernels.cross_entropy import cross_entropy, cross_entropy_reference


@pytest.mark.parametrize("rows", [1, 1023, 1025, 2500])
def test_values_and_gradients_of_bfloat16_are_the_plain_ones_except_for_rounding(rows: int) -> None:
    torch.manual_seed(0)
    logits = (3 * torch.randn(rows, 256)).bfloat16().requires_grad_()
    target, weight = torch.randint(0, 256, (rows,)), torch.rand(rows) + 0.5
    own, plain = cross_entropy(logits, target), cross_entropy_reference(logits, target)
    assert "CrossEntropy" in type(own.grad_fn).__name__, "the fused version"
    assert own.dtype == plain.dtype == torch.float32
    torch.testing.assert_close(own, plain)
    ours, theirs = (torch.autograd.grad((loss * weight).sum(), logits)[0] for loss in (own, plain))
    assert ours.dtype == torch.bfloat16
    torch.testing.assert_close(ours.float(), theirs.float(), rtol=0.02, atol=1e-9)


@pytest.mark.parametrize(
    ("dtype", "enabled", "gradient"),
    [(torch.float32, True, True), (torch.bfloat16, False, True), (torch.bfloat16, True, False)],
)
def test_all_else_takes_the_plain_version(
    dtype: torch.dtype, enabled: bool, gradient: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernels, "ENABLED", enabled)
    monkeypatch.setattr(module._CrossEntropy, "apply", None)
    logits = torch.randn(5, 7).to(dtype).requires_grad_(gradient)
    target = torch.randint(0, 7, (5,))
    torch.testing.assert_close(cross_entropy(logits, target), F.cross_entropy(logits.float(), target, reduction="none"))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_by_hand(dtype: torch.dtype) -> None:
    logits = torch.tensor([[0.0, math.log(3)]], dtype=dtype, requires_grad=True)  # probabilities 1/4 and 3/4
    loss = cross_entropy(logits, torch.tensor([0]))
    assert float(loss.detach()) == pytest.approx(math.log(4), rel=2e-3)
    loss.sum().backward()
    assert logits.grad is not None
    assert logits.grad[0].tolist() == [pytest.approx(-0.75, abs=3e-3), pytest.approx(0.75, abs=3e-3)]


def test_views_of_images_laid_out_channels_last() -> None:
    torch.manual_seed(0)
    logits = torch.randn(2, 5, 3, 4).bfloat16().to(memory_format=torch.channels_last).requires_grad_()
    target = torch.randint(0, 5, (2, 3, 4))
    rows = logits.permute(0, 2, 3, 1).flatten(0, 2)
    (ours,) = torch.autograd.grad(cross_entropy(rows, target.flatten()).sum(), logits)
    (theirs,) = torch.autograd.grad(F.cross_entropy(logits.float(), target, reduction="sum"), logits)
    torch.testing.assert_close(ours.float(), theirs.float(), rtol=0.02, atol=1e-3)
