"""Conditions as the networks take them: one-hot weights of labels and speakers."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from genmodels.errors import CapabilityError, DataError

_PLURAL = {"label": "classes", "speaker": "speakers"}


def one_hot(values: Tensor, count: int) -> Tensor:
    """Weights float32 (B, count): one-hot for int64 values (B,); weights (B, count) of a blend stay as they are."""
    return values.float() if values.is_floating_point() else F.one_hot(values, count).float()


def condition_weights(
    condition: Mapping[str, Tensor] | None,
    counts: Mapping[str, int],
    batch: int,
    device: torch.device,
    *,
    broadcast: bool = False,
) -> Tensor:
    """Weights float32 (batch, K) of a condition, the keys of `counts` side by side: K is the sum of the counts.

    Each key has int64 values (batch,) or, to blend, weights (batch, count); with `broadcast`, one row may stand for
    the whole batch. Raises CapabilityError if a key is missing, DataError if its dtype, shape or values are wrong.
    """
    parts = [torch.zeros(batch, 0, device=device)]
    for key, count in counts.items():
        if not condition or key not in condition:
            given = f"condition has {', '.join(map(repr, condition))}, but " if condition else ""
            raise CapabilityError(
                f"{given}this model was trained with {_PLURAL[key]}: give condition={{{key!r}: ...}}, 0 to {count - 1}"
            )
        values = condition[key]
        _check(key, values, count, batch, broadcast)
        parts.append(one_hot(values.to(device), count).expand(batch, -1))
    return torch.cat(parts, 1)


def _check(key: str, values: Tensor, count: int, batch: int, broadcast: bool) -> None:
    """Raises DataError unless `values` are int64 (batch,) in range, or weights (batch, count)."""
    blend, plural = values.is_floating_point(), _PLURAL[key]
    allowed = f"int64 ({batch},), {plural} 0 to {count - 1}, or, to blend, weights float ({batch}, {count})"
    if not blend and values.dtype != torch.int64:
        raise DataError(
            f"{key} of {values.dtype} is not allowed: give {allowed}; {key}.long() makes int64 of whole numbers"
        )
    rows = (batch, 1) if broadcast else (batch,)
    if tuple(values.shape) not in [(n, count) if blend else (n,) for n in rows]:
        raise DataError(f"{key} of shape {tuple(values.shape)} is not allowed for a batch of {batch}: give {allowed}")
    wrong = [] if blend else sorted(set(values[(values < 0) | (values >= count)].tolist()))
    if wrong:
        raise DataError(
            f"{key} = {', '.join(map(str, wrong))} is not allowed: this model has {count} {plural}, "
            f"0 to {count - 1}; choose one of them"
        )
