"""Fourier analysis of audio: windows, the spectrum of one frame, and the short-time Fourier transform.

The discrete Fourier transform treats a frame as one period. If its ends do not match, the jump spreads over all
frequencies: spectral leakage. A window fades the ends out, at the cost of a wider main lobe. Plain numpy: pages compute
spectra while a slider moves, on threads that do not load torch.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

Window = Literal["rectangular", "hann", "hamming", "bartlett"]
WINDOWS: tuple[Window, ...] = get_args(Window)
FLOOR_DB = -120.0
"""Level of silence: no 16-bit recording is quieter."""


MAIN_LOBE_BINS: dict[Window, int] = {"rectangular": 2, "hann": 4, "hamming": 4, "bartlett": 4}
"""Width of each window's main lobe from null to null, in bins of rate / length."""


def main_lobe(name: Window, length: int, rate: int) -> tuple[float, float]:
    """Width of a window's main lobe in Hz: from null to null, and from null to peak.

    Two equal tones at least about the second value apart are resolved; closer ones merge into one peak for some phases.
    """
    width = MAIN_LOBE_BINS[name] * rate / length
    return width, width / 2


def window(name: Window, length: int) -> np.ndarray:
    """Weights (length,) of the samples of a frame, one period of each formula.

    Hann 1/2 - 1/2 cos, Hamming 0.54 - 0.46 cos (both of 2 pi n / N), Bartlett a triangle, rectangular no window.
    """
    turn = np.arange(length) / length
    if name == "hann":
        return 0.5 - 0.5 * np.cos(2 * np.pi * turn)
    if name == "hamming":
        return 0.54 - 0.46 * np.cos(2 * np.pi * turn)
    if name == "bartlett":
        return 1 - np.abs(2 * turn - 1)
    return np.ones(length)


def decibels(amplitude: np.ndarray) -> np.ndarray:
    """20 log10 of amplitudes, at least FLOOR_DB."""
    level: np.ndarray = np.maximum(20 * np.log10(np.maximum(amplitude, 1e-12)), FLOOR_DB)
    return level


def spectrum(x: np.ndarray, rate: int, name: Window, *, points: int = 4096) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies in Hz and decibels of one frame (N,), N <= points; a sine of amplitude 1 has 0 dB.

    Zero padding interpolates between the frequencies of the transform; it adds no resolution.
    """
    weights = window(name, len(x))
    amplitude = np.abs(np.fft.rfft(x * weights, points)) * (2 / weights.sum())
    return np.fft.rfftfreq(points, 1 / rate), decibels(amplitude)


def stft(x: np.ndarray, name: Window, length: int, hop: int) -> np.ndarray:
    """Decibels (length / 2 + 1, frames): the spectra of frames of `length` samples, `hop` apart.

    Frame k is centred on sample k * hop; the recording is padded with silence on both sides.
    """
    padded = np.pad(x.astype(np.float64), (length // 2, length))
    pieces = np.lib.stride_tricks.sliding_window_view(padded, length)[: len(x) + 1 : hop]
    weights = window(name, length)
    return decibels(np.abs(np.fft.rfft(pieces * weights, axis=1)).T * (2 / weights.sum()))
