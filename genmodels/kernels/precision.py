"""Which of float32 and bfloat16 is faster on this machine, measured once per process."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from typing import Literal

import torch

Precision = Literal["fp32", "bf16"]

_RUNS = 3  # the first one fills caches and is not counted
_MARGIN = 0.9  # bfloat16 must be a tenth faster: less is noise, and float32 is exact
_faster: dict[tuple[Hashable, int], Precision] = {}


def faster_dtype(key: Hashable, run: Callable[[Precision], object]) -> Precision:
    """The precision in which `run` is faster; measured once per `key` and number of threads."""
    named = key, torch.get_num_threads()
    if named not in _faster:
        half, full = _seconds(run, "bf16"), _seconds(run, "fp32")
        _faster[named] = "bf16" if half < _MARGIN * full else "fp32"
    return _faster[named]


def _seconds(run: Callable[[Precision], object], precision: Precision) -> float:
    times = []
    for _ in range(_RUNS):
        began = time.perf_counter()
        run(precision)
        times.append(time.perf_counter() - began)
    return min(times[1:])
