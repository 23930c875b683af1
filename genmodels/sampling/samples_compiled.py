"""The queues of `samples` for a few recordings, compiled: a sample takes microseconds instead of forty calls of torch.

Imported at the first sampling. Compiling takes some seconds once per machine and is cached on disk, or once per process
if nothing can be written, as in a container whose source and home are read-only. Without numba torch samples instead.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from genmodels.sampling.samples import BatchedQueues, ConditionState, SamplingState, Weights

try:
    from numba import njit
except (ImportError, OSError):  # not installed, or built for another numpy or processor
    njit = None  # type: ignore[assignment]

_log = logging.getLogger(__name__)
_F = np.float32


class _Network(NamedTuple):
    """`Weights` as float32 arrays, and where each layer's queue begins and how long it is."""

    before: np.ndarray
    now: np.ndarray
    gates: np.ndarray
    residual: np.ndarray
    residual_bias: np.ndarray
    skip: np.ndarray
    skip_bias: np.ndarray
    hidden: np.ndarray
    hidden_bias: np.ndarray
    head: np.ndarray
    head_bias: np.ndarray
    offsets: np.ndarray
    dilations: np.ndarray


class _Recording(NamedTuple):
    """One recording of `SamplingState`, and the logits (levels,) of its last sample."""

    codes: np.ndarray
    known: np.ndarray
    uniform: np.ndarray
    segment: np.ndarray
    logits: np.ndarray


class _Condition(NamedTuple):
    """One recording's queues (sum of dilations, C) and biases (P, layers, 2 C); queues of length 0 if unused."""

    queue: np.ndarray
    bias: np.ndarray


class _Buffers(NamedTuple):
    """Intermediate results of one step."""

    pair: np.ndarray
    both: np.ndarray
    z: np.ndarray
    summed: np.ndarray
    deep: np.ndarray


def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    if njit is None:
        return function
    # Reordering sums lets the compiler use whole vectors; no value here is infinite or NaN.
    options: dict[str, Any] = {"nogil": True, "fastmath": True, "error_model": "numpy"}
    try:
        compiled_function: Callable[..., Any] = njit(cache=True, **options)(function)
    except RuntimeError:  # "no locator available": neither beside the source nor at home can anything be written
        compiled_function = njit(**options)(function)
    return compiled_function


def compiled() -> bool:
    """Whether nothing is left to compile in this process: already compiled, or numba is missing."""
    kernel: Any = _advance
    return njit is None or bool(kernel.signatures)


def cached() -> bool | None:
    """Whether an earlier process left compiled code on disk; None if this machine cannot store any."""
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
    """tanh of a float32 to 7e-7, without table or branch: vectorised over channels."""
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
def _sample_level(logits, uniform, temperature, top_k):  # type: ignore[no-untyped-def]
    """`pixels.sample_levels` for one row: the inverse of the cumulative distribution at `uniform`."""
    least = np.sort(logits)[len(logits) - top_k] if top_k < len(logits) else _F(-3e38)
    peak = logits.max()
    total = 0.0
    for k in range(len(logits)):
        if logits[k] >= least:
            total += np.exp((logits[k] - peak) / temperature)
    target, cumulative, code = uniform * total, 0.0, 0
    for k in range(len(logits)):
        if logits[k] >= least:
            cumulative += np.exp((logits[k] - peak) / temperature)
            code = k
            if cumulative > target:
                break
    return code


@_compiled
def _features(network, queue, bias, last, older, time, buffers):  # type: ignore[no-untyped-def]
    """Compute all layers' z side by side at `time`, from the two codes before it, and advance the queues."""
    pair, both, z = buffers.pair, buffers.both, buffers.z
    channels = network.now.shape[1]
    x = pair[channels:]
    for c in range(channels):
        x[c] = network.before[older, c] + network.now[last, c]
    for layer in range(len(network.dilations)):
        slot = queue[network.offsets[layer] + time % network.dilations[layer]]
        for c in range(channels):
            pair[c] = slot[c]
            slot[c] = x[c]
        both[:] = bias[layer]
        _add_product(both, pair, network.gates[layer])
        part = z[layer * channels : (layer + 1) * channels]
        for c in range(channels):
            # sigmoid(a) = (1 + tanh(a / 2)) / 2
            part[c] = _tanh(both[c]) * (_F(0.5) + _F(0.5) * _tanh(_F(0.5) * both[channels + c]))
        for c in range(channels):
            x[c] += network.residual_bias[layer, c]
        _add_product(x, part, network.residual[layer])


@_compiled
def _logits(network, buffers, logits):  # type: ignore[no-untyped-def]
    summed, deep = buffers.summed, buffers.deep
    summed[:] = network.skip_bias
    _add_product(summed, buffers.z, network.skip)
    deep[:] = network.hidden_bias
    _add_product(deep, np.maximum(summed, _F(0)), network.hidden)
    logits[:] = network.head_bias
    _add_product(logits, np.maximum(deep, _F(0)), network.head)


@_compiled
def _advance(  # type: ignore[no-untyped-def]
    network, recording, conditional, unconditional, silence, start, until, guidance, temperature, top_k
):
    """Sample `start` to `until` of one recording; with guidance if `unconditional` has queues."""
    codes, logits, channels = recording.codes, recording.logits, network.now.shape[1]
    buffers = _Buffers(
        np.empty(2 * channels, _F),
        np.empty(2 * channels, _F),
        np.empty(len(network.dilations) * channels, _F),
        np.empty(len(network.skip_bias), _F),
        np.empty(len(network.hidden_bias), _F),
    )
    guided, base = len(unconditional.queue) > 0, np.empty(len(network.head_bias), _F)
    for time in range(start, until):
        last = codes[time - 1] if time >= 1 else silence
        older = codes[time - 2] if time >= 2 else silence
        segment = recording.segment[time]
        if guided:
            _features(network, unconditional.queue, unconditional.bias[segment], last, older, time, buffers)
            if not recording.known[time]:
                _logits(network, buffers, base)
        _features(network, conditional.queue, conditional.bias[segment], last, older, time, buffers)
        if recording.known[time]:
            continue
        _logits(network, buffers, logits)
        if guided:
            for k in range(len(logits)):
                logits[k] = base[k] + guidance * (logits[k] - base[k])
        codes[time] = _sample_level(logits, recording.uniform[time], temperature, top_k)


@cache
def _usable() -> bool:
    """Whether the smallest function compiles and runs here; logs a warning if it does not."""
    problem = "it is not installed, or does not fit the other packages"
    if njit is not None:
        try:
            return bool(_tanh(_F(1)) > 0)
        except (OSError, RuntimeError) as error:  # a full disk, or a processor that LLVM does not know
            problem = str(error)
    _log.warning("numba cannot be used (%s): torch samples recordings, about twenty times as slowly", problem)
    return False


class CompiledQueues:
    """Samples a few recordings one after the other, so that their weights stay in the processor's cache. CPU only.

    If numba cannot be used, torch samples the same recordings, about twenty times as slowly.
    """

    def __init__(self, weights: Weights, state: SamplingState) -> None:
        self._fallback = None if _usable() else BatchedQueues(weights, state)
        self.state, self.time = state, state.start
        lengths = np.array(weights.dilations, np.int64)
        matrices = (weights.before, weights.now, weights.gates, weights.residual, weights.residual_bias)
        arrays = [_array(part) for part in (*matrices, *weights.skip, *weights.hidden, *weights.head)]
        self._network = _Network._make([*arrays, np.cumsum(lengths) - lengths, lengths])
        self.logits = np.empty((len(state.codes), weights.head[0].shape[1]), np.float32)
        """(n, levels): of the last sample."""
        rows = zip(
            *(part.numpy() for part in (state.codes, state.known, state.uniform, state.segment)),
            self.logits,
            strict=True,
        )
        self._recordings = [_Recording(*row) for row in rows]
        self._conditional = self._conditions(state.conditional)
        if state.unconditional is not None:
            self._unconditional = self._conditions(state.unconditional)
        else:
            self._unconditional = [_Condition(one.queue[:0], one.bias) for one in self._conditional]

    def _conditions(self, condition: ConditionState) -> list[_Condition]:
        # Slot s of a queue holds the input of the last time that equals s modulo the dilation.
        rolled = [tail.roll(self.state.start % tail.shape[1], 1) for tail in condition.tails]
        rows = zip(_array(torch.cat(rolled, 1)), _array(condition.bias), strict=True)
        return [_Condition(*row) for row in rows]

    def advance(self, until: int) -> None:
        """Sample all codes before time `until` that are missing; the interpreter's lock is released meanwhile."""
        if self._fallback is not None:
            self._fallback.advance(until)
            return
        state, options = self.state, self.state.options
        rows = zip(self._recordings, self._conditional, self._unconditional, strict=True)
        for recording, conditional, unconditional in rows:
            _advance(
                self._network, recording, conditional, unconditional, state.silence, self.time, until,
                np.float32(state.guidance), float(options.temperature), options.top_k or self.logits.shape[1],
            )  # fmt: skip
        self.time = max(self.time, until)


def _array(tensor: Tensor) -> np.ndarray:
    array: np.ndarray = tensor.detach().float().contiguous().numpy()
    return array
