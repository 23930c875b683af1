"""The fast gradient of instance normalisation against its plain version."""

from __future__ import annotations

import pytest
import torch

from genmodels import kernels
from genmodels.kernels import instance_norm as module
from genmodels.kernels.instance_norm import instance_norm, instance_norm_reference


@pytest.mark.parametrize("offset", [0.0, 10.0])
def test_value_and_gradient_in_bfloat16_are_the_plain_ones_except_for_rounding(offset: float) -> None:
    torch.manual_seed(0)
    x = (torch.randn(2, 5, 24, 20) + offset).bfloat16().contiguous(memory_format=torch.channels_last)
    weight = (torch.randn(2, 5, 24, 20) + 0.5).bfloat16()
    own, exact = x.clone().requires_grad_(True), x.double().requires_grad_(True)
    fast, plain = instance_norm(own), instance_norm_reference(exact)
    assert "InstanceNorm" in type(fast.grad_fn).__name__, "the fast version"
    torch.testing.assert_close(fast.double(), plain, rtol=0.02, atol=0.02)
    (ours,) = torch.autograd.grad((fast * weight).sum(), own)
    (theirs,) = torch.autograd.grad((plain * weight.double()).sum(), exact)
    assert float(theirs.abs().mean()) > 0.1
    assert float((ours.double() - theirs).abs().mean() / theirs.abs().mean()) < 0.01


@pytest.mark.parametrize(
    ("dtype", "layout", "enabled"),
    [
        (torch.float32, torch.channels_last, True),
        (torch.bfloat16, torch.contiguous_format, True),
        (torch.bfloat16, torch.channels_last, False),
    ],
)
def test_all_else_takes_the_plain_version(
    dtype: torch.dtype, layout: torch.memory_format, enabled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernels, "ENABLED", enabled)
    monkeypatch.setattr(module._InstanceNorm, "apply", None)
    x = torch.randn(2, 3, 4, 5).to(dtype).contiguous(memory_format=layout).requires_grad_()
    y = instance_norm(x)
    torch.testing.assert_close(y, instance_norm_reference(x))
    assert torch.autograd.grad(y.square().sum(), x)[0].shape == x.shape
