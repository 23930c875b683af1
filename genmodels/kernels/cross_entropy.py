"""The cross entropy of many choices among many levels: of each pixel, of each sample of a recording."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

_ROWS = 1024  # of 256 levels, 1 MB in float32: what is made of them stays in the processor's cache


def cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """-log softmax(logits)[target], (N,) nats in float32 at least, of logits (N, K) and target int64 (N,)."""
    if torch.compiler.is_compiling() or not logits.requires_grad:
        wide = torch.promote_types(logits.dtype, torch.float32)
        return F.cross_entropy(logits.to(wide), target, reduction="none")
    losses: Tensor = _CrossEntropy.apply(logits, target)
    return losses


class _CrossEntropy(torch.autograd.Function):
    """Its gradient, softmax(logits) - one-hot(target), is made while the logits are in the cache.

    Autograd's keeps the log probabilities of all rows in float32 and reads them again, at three times the cost.
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor, target: Tensor) -> Tensor:
        wide = torch.promote_types(logits.dtype, torch.float32)
        losses, gradient = logits.new_empty(len(logits), dtype=wide), torch.empty_like(logits)
        rows = _ROWS if logits.device.type == "cpu" else max(1, len(logits))
        parts = (torch.split(part, rows) for part in (logits, target, losses, gradient))
        for some, chosen, loss, slope in zip(*parts, strict=True):
            of_chosen = chosen[:, None]
            log_p = some.to(wide).log_softmax(1)
            torch.neg(log_p.gather(1, of_chosen)[:, 0], out=loss)
            p = log_p.exp_()
            slope.copy_(p.scatter_add_(1, of_chosen, p.new_full((len(p), 1), -1.0)))
        ctx.save_for_backward(gradient)
        return losses

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (gradient,) = ctx.saved_tensors
        return gradient * gradients[0].to(gradient.dtype)[:, None], None
