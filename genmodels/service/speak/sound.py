"""Recordings that pages play and plot: real ones, a visitor's own, their mu-law quantisation, and their spectra.

An untrusted file is decoded in a bounded process of its own and cached by its content, because a page requests it again
with every move of a slider. Nothing here needs a model.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from pydantic import Field

from genmodels import data
from genmodels.config import Frozen
from genmodels.data import DataConfig, Recordings
from genmodels.data.formats import audio_files
from genmodels.data.sandbox import recordings
from genmodels.data.sandbox.recordings import BusyError
from genmodels.errors import ConfigError, DataError
from genmodels.service.cache import LRU
from genmodels.service.inference import run
from genmodels.signal import audio, fourier
from genmodels.signal.fourier import Window

MAX_SECONDS = 15.0
"""Longest recording of a visitor, in seconds."""
RATE = 8_000
LEVELS = tuple(2**bits for bits in range(1, 9))
LENGTHS = tuple(2**power for power in range(5, 11))
HOPS = (8, 4, 2, 1)
"""The hop is the window length divided by one of these."""
LOUD, MAX_GAIN = 0.4, 16.0
"""Quiet recordings are amplified to this peak, at most by this gain."""
COLUMNS, ROWS = 320, 128
"""Size to which a spectrogram is reduced for the browser, by the maximum in each cell."""


@dataclass(frozen=True)
class Sound:
    """A recording with one channel, float32 (T,) in [-1, 1]."""

    samples: np.ndarray
    rate: int
    title: str = ""

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.rate

    @property
    def wav(self) -> bytes:
        return audio.wav(torch.from_numpy(self.samples), self.rate)

    @property
    def gain(self) -> float:
        """The amplification for playback; some speakers were recorded at a fortieth of full scale."""
        peak = float(np.abs(self.samples).max(initial=0))
        return max(1.0, min(MAX_GAIN, LOUD / peak)) if peak > 0 else 1.0

    @property
    def played(self) -> bytes:
        """The amplified WAV for playback."""
        return audio.wav(torch.from_numpy(self.samples * np.float32(self.gain)), self.rate)


@dataclass(frozen=True)
class Envelope:
    """A waveform reduced for the browser: the minimum and maximum of each interval, and its time in seconds."""

    times: np.ndarray
    low: np.ndarray
    high: np.ndarray


@dataclass(frozen=True)
class Spectrogram:
    """Decibels (rows, columns), low frequencies first; the columns' times in seconds, the rows' frequencies in Hz."""

    decibels: np.ndarray
    times: np.ndarray
    frequencies: np.ndarray


@dataclass(frozen=True)
class Quantised:
    """A mu-law quantised recording, a WAV with the loudness of the original, and signal-to-noise ratios in dB.

    `mu_law` and `uniform` are the ratios for each of LEVELS, with mu-law and with uniformly spaced levels.
    """

    sound: Sound
    wav: bytes
    snr: float
    mu_law: tuple[float, ...]
    uniform: tuple[float, ...]


class TwoTones(Frozen):
    """A loud tone of 1,010 Hz and a weaker one above it, half a second long."""

    apart: int = Field(300, ge=20, le=2_000, description="difference of the frequencies in Hz")
    weaker: int = Field(40, ge=0, le=80, description="level of the second tone below the first in dB")


# --------------------------------------------------------------------- sources of recordings


def recordings_config(preferred: DataConfig | None = None) -> DataConfig:
    """The data of real recordings: `preferred` or Free Spoken Digits if available, else synthesised tones."""
    for config in (preferred, DataConfig(name="fsdd")):
        if config is None:
            continue
        try:
            if data.missing(config) is None and data.get_spec(config).sample_rate is not None:
                return config
        except DataError:  # a folder that has become unreadable since the training
            continue
    return DataConfig(name="tones")


def test_count(config: DataConfig) -> int:
    """The number of test recordings."""
    return len(_recordings(config))


def test_recording(config: DataConfig, index: int) -> Sound:
    """Test recording `index`; raises DataError if it does not exist."""
    recordings, spec = _recordings(config), data.get_spec(config)
    if not 0 <= index < len(recordings):
        raise DataError(f"test recording {index} does not exist; choose 0 to {len(recordings) - 1:,}")
    names = [spec.classes[int(recordings.labels[index])] if spec.classes else ""]
    names += [spec.speakers[int(recordings.speakers[index])]] if spec.speakers else []
    return Sound(recordings.clip(index), spec.sample_rate or RATE, ", ".join(filter(None, names)))


@lru_cache(maxsize=2)
def _recordings(config: DataConfig) -> Recordings:
    return data.load_audio(config, "test")


_decoded: LRU[tuple[bytes, int], np.ndarray | str] = LRU(16)  # samples, or why there are none


def decoded(raw: bytes, rate: int = RATE) -> Sound:
    """A visitor's WAV, FLAC, OGG, MP3 or AIFF file at `rate`, at most MAX_SECONDS; raises DataError with the reason.

    Nothing is written to disk; the samples stay in memory until other files displace them.
    """

    def decode() -> np.ndarray | str:
        try:
            return recordings.decode_recording(raw, rate, MAX_SECONDS)
        except BusyError:  # says nothing about the file
            raise
        except DataError as error:
            return str(error)

    result = _decoded.get_or_compute((hashlib.sha256(raw).digest(), rate), decode)
    if isinstance(result, str):
        raise DataError(result)
    return Sound(result, rate)


def at_rate(sound: Sound, rate: int) -> Sound:
    """The recording resampled to `rate`."""
    if sound.rate == rate:
        return sound
    return Sound(audio_files.resample(sound.samples, sound.rate, rate).astype(np.float32), rate, sound.title)


def two_tones(request: TwoTones) -> Sound:
    """A sine and a weaker one; neither has a whole number of periods in any window."""
    time = np.arange(RATE // 2) / RATE
    weak = 10 ** (-request.weaker / 20)
    x = 0.5 * (np.sin(2 * np.pi * 1_010 * time) + weak * np.sin(2 * np.pi * (1_010 + request.apart) * time + 1))
    return Sound((x / max(1.0, 2 * float(np.abs(x).max()))).astype(np.float32), RATE)


# --------------------------------------------------------------------- plots


def envelope(samples: np.ndarray, rate: int, most: int = 700) -> Envelope:
    """A waveform reduced to at most `most` intervals without losing a peak."""
    each = max(1, -(-len(samples) // most))
    whole = (
        np.pad(samples, (0, -len(samples) % each), mode="edge").reshape(-1, each) if len(samples) else np.empty((0, 1))
    )
    times = np.arange(len(whole), dtype=np.float32) * (each / rate)
    return Envelope(times, whole.min(1).astype(np.float32), whole.max(1).astype(np.float32))


def spectrogram(sound: Sound, window: Window = "hann", length: int = 256, hop: int = 64) -> Spectrogram:
    """The spectrogram, reduced to COLUMNS x ROWS; raises ConfigError if window length or hop are out of range."""
    if length not in LENGTHS or hop not in [length // part for part in HOPS]:
        raise ConfigError(
            f"length = {length} and hop = {hop} are not allowed: choose {LENGTHS[0]} to {LENGTHS[-1]} samples, a power "
            "of two, and a hop of all, a half, a quarter or an eighth of them"
        )
    decibels = _reduce_max(_reduce_max(fourier.stft(sound.samples, window, length, hop), ROWS, 0), COLUMNS, 1)
    times = _middles(len(sound.samples) // hop + 1, COLUMNS) * hop / sound.rate
    frequencies = _middles(length // 2 + 1, ROWS) * sound.rate / length
    return Spectrogram(decibels.astype(np.float32), times.astype(np.float32), frequencies.astype(np.float32))


def spectrum(sound: Sound, window: Window, length: int, at: float) -> tuple[np.ndarray, np.ndarray]:
    """Hz and decibels of `length` samples from the fraction `at`, 0 to 1, of the sound."""
    if length not in LENGTHS or not 0 <= at <= 1:
        raise ConfigError(f"length = {length} at {at} is not allowed: choose {LENGTHS[0]} to {LENGTHS[-1]}, at 0 to 1")
    start = round(at * max(0, len(sound.samples) - length))
    piece = sound.samples[start : start + length]
    return fourier.spectrum(np.pad(piece, (0, length - len(piece))), sound.rate, window, points=2_048)


def _reduce_max(values: np.ndarray, most: int, axis: int) -> np.ndarray:
    """At most `most` entries along an axis, each the maximum of a group."""
    each = -(-values.shape[axis] // most)
    return np.maximum.reduceat(values, np.arange(0, values.shape[axis], each), axis)


def _middles(count: int, most: int) -> np.ndarray:
    """The middle index of each group of `_reduce_max`."""
    each = -(-count // most)
    starts = np.arange(0, count, each)
    return (starts + np.minimum(starts + each, count) - 1) / 2


# --------------------------------------------------------------------- quantisation


def quantise(sound: Sound, levels: int) -> Quantised:
    """Every sample at the nearest of 2 to 256 mu-law levels; raises ConfigError for another number of levels."""
    if levels not in LEVELS:
        raise ConfigError(f"levels = {levels} is not allowed: choose one of {', '.join(map(str, LEVELS))}")
    x = torch.from_numpy(sound.samples)

    def task() -> tuple[np.ndarray, list[float], list[float]]:
        mu_law = {count: audio.mu_law_decode(audio.mu_law_encode(x, count), count) for count in LEVELS}
        uniform = [((x + 1) * ((count - 1) / 2)).round() * (2 / (count - 1)) - 1 for count in LEVELS]
        return mu_law[levels].numpy(), [_snr(x, y) for y in mu_law.values()], [_snr(x, y) for y in uniform]

    samples, mu_law, uniform = run(task)
    # With two levels every sample has full amplitude, which would be painfully loud.
    gain = min(1.0, _rms(sound.samples) / max(1e-9, _rms(samples))) * sound.gain
    wav = audio.wav(torch.from_numpy(samples * np.float32(gain)), sound.rate)
    quantised = Sound(samples, sound.rate, sound.title)
    return Quantised(quantised, wav, mu_law[LEVELS.index(levels)], tuple(mu_law), tuple(uniform))


def _rms(x: np.ndarray) -> float:
    return float(np.sqrt(np.square(x, dtype=np.float64).mean()))


def staircase(levels: int, points: int = 1_001) -> tuple[np.ndarray, np.ndarray]:
    """Samples from -1 to 1, and the level to which each is quantised."""
    if levels not in LEVELS:
        raise ConfigError(f"levels = {levels} is not allowed: choose one of {', '.join(map(str, LEVELS))}")
    x = np.linspace(-1, 1, points, dtype=np.float32)
    return x, run(lambda: audio.mu_law_decode(audio.mu_law_encode(torch.from_numpy(x), levels), levels).numpy())


def _snr(x: torch.Tensor, y: torch.Tensor) -> float:
    """Signal-to-noise ratio in dB: 10 log10(signal power / error power); 0 for silence, 120 without any error."""
    signal, noise = float(x.double().square().sum()), float((x - y).double().square().sum())
    if signal == 0:
        return 0.0
    return min(120.0, 10 * math.log10(signal / noise)) if noise else 120.0
