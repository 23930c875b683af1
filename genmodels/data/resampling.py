"""Samples at another rate, in blocks: the cost is the same a second whatever the two rates are.

One Fourier transform of a whole recording is simpler, but 191,999 samples a second have lengths whose transform takes a
minute. Here all transforms have powers of two. Each block's spectrum is cut off below half of the lower rate, which
also halves the rate as often as it may be halved; the short filter then only has to find the values between samples
that lie twice as dense as they must, and sixteen taps are enough for that.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

_TAPS = 16
_BETA = 11.0  # of the Kaiser window: what the short filter lets through lies 110 dB below
_EDGE = 0.08  # share of the band, below half the lower rate, in which the spectrum fades out
_RINGING = 16  # periods of that fading band after which its ringing is 100 dB down
_SHORTEST = 2**14


@dataclass(frozen=True)
class _Plan:
    """How one rate becomes another: `keep` weighs a block's spectrum, `table` (phases, taps) is the short filter."""

    length: int  # samples of a block, `context` on both sides of which only help the others
    context: int
    out: int  # samples the block becomes, before the short filter
    keep: np.ndarray
    step: int  # each result lies step / len(table) of those farther
    table: np.ndarray


def resample(x: np.ndarray, rate: int, wanted: int) -> np.ndarray:
    """Samples (T,) at another rate, at least one; what lies above 0.46 of the lower rate fades, above half is gone."""
    return np.concatenate([*resampled([x], rate, wanted)]) if len(x) else x


def resampled(blocks: Iterable[np.ndarray], rate: int, wanted: int) -> Iterator[np.ndarray]:
    """The same for a recording that comes in blocks (T,): blocks of other lengths, float64, one after the other."""
    if rate == wanted:
        yield from blocks
        return
    plan = _plan(rate, wanted)
    hop, edge = plan.length - 2 * plan.context, plan.context * plan.out // plan.length
    held = np.zeros(plan.context)  # silence before the beginning
    dense, first = np.zeros(_TAPS // 2 - 1), 1 - _TAPS // 2  # `first` is the number of dense[0]
    heard = drawn = 0
    for block in itertools.chain(blocks, (None,)):
        if block is not None:
            heard += len(block)
        # Silence behind the end, so that the last block is whole.
        more = np.zeros(plan.length + _TAPS * (plan.length // plan.out + 1)) if block is None else block
        held = np.concatenate([held, more])
        total = max(1, round(heard * wanted / rate)) if heard else 0
        while len(held) >= plan.length and (block is not None or drawn < total):
            spectrum = np.fft.rfft(held[: plan.length])[: len(plan.keep)]
            found = np.fft.irfft(spectrum * plan.keep, plan.out)
            dense, held = np.concatenate([dense, found[edge : plan.out - edge]]), held[hop:]
            ready = -(-(first + len(dense) - _TAPS // 2) * len(plan.table) // plan.step)
            until = ready if block is not None else min(ready, total)
            at, phase = np.divmod(np.arange(drawn, until) * plan.step, len(plan.table))
            starts = at - first - (_TAPS // 2 - 1)
            near = np.lib.stride_tricks.sliding_window_view(dense, _TAPS)
            yield np.einsum("it,it->i", near[starts], plan.table[phase])
            drawn = until
            spent = max(0, drawn * plan.step // len(plan.table) - first - (_TAPS // 2 - 1))
            dense, first = dense[spent:], first + spent


@lru_cache(maxsize=8)
def _plan(rate: int, wanted: int) -> _Plan:
    lower = min(rate, wanted)
    # Between the two stages samples lie at least twice as dense as the band needs.
    up, down = (1, 2 ** int(math.log2(rate / (2 * wanted)))) if rate >= 2 * wanted else (2, 1)
    context = 2 ** math.ceil(math.log2(max(_SHORTEST / 8, _RINGING * rate / (_EDGE * lower / 2))))
    length = 8 * context
    out = length * up // down
    frequency = np.fft.rfftfreq(length, 1 / rate)[: min(length, out) // 2 + 1]
    fade = ((lower / 2 - frequency) / (_EDGE * lower / 2)).clip(0, 1)
    keep = np.sin(0.5 * np.pi * fade) ** 2 * (up / down)
    common = math.gcd(rate * up, wanted * down)
    step, phases = rate * up // common, wanted * down // common
    offset = np.arange(phases)[:, None] / phases - np.arange(1 - _TAPS // 2, 1 + _TAPS // 2)
    inside = (1 - (2 * offset / _TAPS) ** 2).clip(0)
    table = np.sinc(offset) * np.i0(_BETA * np.sqrt(inside)) / np.i0(_BETA)
    return _Plan(length, context, out, keep, step, table / table.sum(1, keepdims=True))
