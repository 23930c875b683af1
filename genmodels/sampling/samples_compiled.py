"""The queues of `queues.py` for a few recordings, compiled: one sample costs microseconds, not forty calls of torch.

Imported when something is first drawn. Compiling takes some seconds once a machine and is kept on disk, or once a
process where nothing can be kept: in a container whose source and home are read-only. Without numba torch draws.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from genmodels.sampling.samples import BatchedQueues, Task, Voice, Weights

try:
    from numba import njit
except (ImportError, OSError):  # not installed, or built for another numpy or processor
    njit = None  # type: ignore[assignment]

_log = logging.getLogger(__name__)
_F = np.float32


def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    if njit is None:
        return function
    # Reordering sums lets the compiler use whole vectors; nothing here is infinite or not a number.
    options: dict[str, Any] = {"nogil": True, "fastmath": True, "error_model": "numpy"}
    try:
        found: Callable[..., Any] = njit(cache=True, **options)(function)
    except RuntimeError:  # "no locator available": neither beside the source nor at home can anything be written
        found = njit(**options)(function)
    return found


def compiled() -> bool:
    """Whether nothing is left to compile in this process: done already, or there is no numba."""
    kernel: Any = _advance
    return njit is None or bool(kernel.signatures)


def cached() -> bool | None:
    """Whether an earlier process left compiled code on disk; None if this machine cannot keep any."""
    kernel: Any = _advance
    if njit is None or not kernel.stats.cache_path:
        return None
    source = Path(__file__)
    indices = Path(kernel.stats.cache_path).glob(f"{source.stem}.{_advance.__name__}-*.nbi")
    return any(index.stat().st_mtime_ns >= source.stat().st_mtime_ns for index in indices)


# tanh x = x P(x^2) / Q(x^2): the tenth convergent of Lambert's fraction x / (1 + x^2 / (3 + x^2 / (5 + ...))).
_P = tuple(_F(c / 13749310575) for c in (13749310575, 1964187225, 64324260, 675675, 2145, 1))
_Q = tuple(_F(c / 13749310575) for c in (13749310575, 6547290750, 413513100, 7567560, 45045, 66))


@_compiled
def _tanh(x):  # type: ignore[no-untyped-def]
    """tanh of a float32 to 7e-7, without table or branch: the compiler computes it for many channels at once."""
    x = min(max(x, _F(-9)), _F(9))
    s = x * x
    p = ((((_P[5] * s + _P[4]) * s + _P[3]) * s + _P[2]) * s + _P[1]) * s + _P[0]
    q = ((((_Q[5] * s + _Q[4]) * s + _Q[3]) * s + _Q[2]) * s + _Q[1]) * s + _Q[0]
    return min(max(x * p / q, _F(-1)), _F(1))


@_compiled
def _add_product(y, x, w):  # type: ignore[no-untyped-def]
    """y += x w, four rows of w at a time: y is read and written a quarter as often."""
    whole = len(x) // 4 * 4
    for i in range(0, whole, 4):
        a, b, c, d = x[i], x[i + 1], x[i + 2], x[i + 3]
        for o in range(len(y)):
            y[o] += a * w[i, o] + b * w[i + 1, o] + c * w[i + 2, o] + d * w[i + 3, o]
    for i in range(whole, len(x)):
        for o in range(len(y)):
            y[o] += x[i] * w[i, o]


@_compiled
def _draw(logits, uniform, temperature, top_k):  # type: ignore[no-untyped-def]
    """As `painting.draw` for one row: where `uniform` falls in the cumulative distribution."""
    least = np.sort(logits)[len(logits) - top_k] if top_k < len(logits) else _F(-3e38)
    peak = logits.max()
    total = 0.0
    for k in range(len(logits)):
        if logits[k] >= least:
            total += np.exp((logits[k] - peak) / temperature)
    wanted, so_far, code = uniform * total, 0.0, 0
    for k in range(len(logits)):
        if logits[k] >= least:
            so_far += np.exp((logits[k] - peak) / temperature)
            code = k
            if so_far > wanted:
                break
    return code


@_compiled
def _features(  # type: ignore[no-untyped-def]
    last, older, time, queue, offsets, dilations, before, now, gates, gate_bias, residual, residual_bias, pair, both, z
):  # fmt: skip
    """All layers' z side by side at `time`, from the two codes before it; the queues move on."""
    channels = now.shape[1]
    x = pair[channels:]
    for c in range(channels):
        x[c] = before[older, c] + now[last, c]
    for layer in range(len(dilations)):
        slot = queue[offsets[layer] + time % dilations[layer]]
        for c in range(channels):
            pair[c] = slot[c]
            slot[c] = x[c]
        both[:] = gate_bias[layer]
        _add_product(both, pair, gates[layer])
        part = z[layer * channels : (layer + 1) * channels]
        for c in range(channels):
            # sigmoid(a) = (1 + tanh(a / 2)) / 2
            part[c] = _tanh(both[c]) * (_F(0.5) + _F(0.5) * _tanh(_F(0.5) * both[channels + c]))
        for c in range(channels):
            x[c] += residual_bias[layer, c]
        _add_product(x, part, residual[layer])


@_compiled
def _logits(z, skip, skip_bias, hidden, hidden_bias, head, head_bias, summed, deep, logits):  # type: ignore[no-untyped-def]
    summed[:] = skip_bias
    _add_product(summed, z, skip)
    deep[:] = hidden_bias
    _add_product(deep, np.maximum(summed, _F(0)), hidden)
    logits[:] = head_bias
    _add_product(logits, np.maximum(deep, _F(0)), head)


@_compiled
def _advance(  # type: ignore[no-untyped-def]
    codes, known, uniform, part, silence, start, until, offsets, dilations, queue, gate_bias, queue_untold, bias_untold,
    guidance, before, now, gates, residual, residual_bias, skip, skip_bias, hidden, hidden_bias, head, head_bias,
    logits, temperature, top_k,
):  # fmt: skip
    """Draw samples `start` to `until` of one recording; `queue_untold` is empty where nothing is guided."""
    channels, guided = now.shape[1], len(queue_untold) > 0
    pair, both, z = np.empty(2 * channels, _F), np.empty(2 * channels, _F), np.empty(len(dilations) * channels, _F)
    summed, deep, untold = np.empty(len(skip_bias), _F), np.empty(len(hidden_bias), _F), np.empty(len(head_bias), _F)
    for time in range(start, until):
        last = codes[time - 1] if time >= 1 else silence
        older = codes[time - 2] if time >= 2 else silence
        if guided:
            _features(
                last, older, time, queue_untold, offsets, dilations, before, now, gates, bias_untold[part[time]],
                residual, residual_bias, pair, both, z,
            )  # fmt: skip
            if not known[time]:
                _logits(z, skip, skip_bias, hidden, hidden_bias, head, head_bias, summed, deep, untold)
        _features(
            last, older, time, queue, offsets, dilations, before, now, gates, gate_bias[part[time]], residual,
            residual_bias, pair, both, z,
        )  # fmt: skip
        if known[time]:
            continue
        _logits(z, skip, skip_bias, hidden, hidden_bias, head, head_bias, summed, deep, logits)
        if guided:
            for k in range(len(logits)):
                logits[k] = untold[k] + guidance * (logits[k] - untold[k])
        codes[time] = _draw(logits, uniform[time], temperature, top_k)


@cache
def _usable() -> bool:
    """Whether the smallest function compiles and runs here; said once where it does not."""
    try:
        if njit is None:
            raise ImportError("it is not installed, or does not fit the other packages")
        return bool(_tanh(_F(1)) > 0)
    except Exception as error:  # noqa: BLE001 - numba, LLVM and the disk each fail in their own ways
        _log.warning("numba cannot be used (%s): recordings are drawn by torch, far more slowly", error)
        return False


class CompiledQueues:
    """A few recordings, one after the other: their weights stay in the processor's cache. On the CPU only.

    Where numba cannot be used, torch draws the same recordings, at about a twentieth of the speed.
    """

    def __init__(self, weights: Weights, task: Task) -> None:
        self._instead = None if _usable() else BatchedQueues(weights, task)
        self.task, self.time = task, task.start
        self._codes, self._known = task.codes.numpy(), task.known.numpy()
        self._uniform, self._part = task.uniform.numpy(), task.part.numpy()
        lengths = np.array(weights.dilations, np.int64)
        self._lengths, self._offsets = lengths, np.cumsum(lengths) - lengths
        self._told = self._voice(task.told)
        nothing = np.empty((len(task.codes), 0, *self._told[0].shape[2:]), np.float32)
        self._untold = (nothing, self._told[1]) if task.untold is None else self._voice(task.untold)
        inside = (weights.before, weights.now, weights.gates, weights.residual, weights.residual_bias)
        self._weights = [_array(part) for part in (*inside, *weights.skip, *weights.hidden, *weights.head)]
        self.logits = np.empty((len(task.codes), weights.head[0].shape[1]), np.float32)
        """(n, levels): of the last sample that was drawn."""

    def _voice(self, voice: Voice) -> tuple[np.ndarray, np.ndarray]:
        """(queues (n, sum of dilations, C), biases (n, P, layers, 2 C))."""
        # Slot s of a queue holds the input of the last time that is s modulo the dilation.
        rolled = [tail.roll(self.task.start % tail.shape[1], 1) for tail in voice.tails]
        return _array(torch.cat(rolled, 1)), _array(voice.bias)

    def advance(self, until: int) -> None:
        """Draw all samples before time `until` that are not drawn yet; the interpreter's lock is released meanwhile."""
        if self._instead is not None:
            self._instead.advance(until)
            return
        task, top_k = self.task, self.task.top_k or self.logits.shape[1]
        for row, codes in enumerate(self._codes):
            _advance(
                codes, self._known[row], self._uniform[row], self._part[row], task.silence, self.time, until,
                self._offsets, self._lengths, *(part[row] for part in (*self._told, *self._untold)),
                np.float32(task.guidance), *self._weights, self.logits[row], task.temperature, top_k,
            )  # fmt: skip
        self.time = max(self.time, until)


def _array(tensor: Tensor) -> np.ndarray:
    array: np.ndarray = tensor.detach().float().contiguous().numpy()
    return array
