"""Recordings that pages play and draw: real ones, a visitor's own, what mu-law levels make of them, and their pitches.

A stranger's file is decoded in a process of its own, bounded, and kept by its content: a page asks for it again with
each move of a slider. Nothing here needs a model.
"""

from __future__ import annotations

import hashlib
import math
import threading
from collections import OrderedDict
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from pydantic import Field

from genmodels import data
from genmodels.config import Frozen
from genmodels.data import DataConfig, Recordings, intake, recording
from genmodels.data.decoding import BusyError
from genmodels.errors import ConfigError, DataError
from genmodels.service.inference import run
from genmodels.signal import audio, fourier
from genmodels.signal.fourier import Window

MAX_SECONDS = 15.0
"""Longest recording of one's own that a page takes."""
RATE = 8_000
LEVELS = tuple(2**bits for bits in range(1, 9))
LENGTHS = tuple(2**power for power in range(5, 11))
HOPS = (8, 4, 2, 1)
"""A hop is the window's length divided by one of these."""
LOUD, MAX_GAIN = 0.4, 16.0
"""Quiet recordings are played with this peak, but no more than so many times as loud."""
COLUMNS, ROWS = 320, 128
"""What a spectrogram is thinned to for the browser, by the loudest in each cell."""
_KEPT = 16


@dataclass(frozen=True)
class Sound:
    """One channel, float32 (T,) in [-1, 1]; `title` says what it is."""

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
        """How many times louder it is to be played: some speakers were recorded at a fortieth of full loudness."""
        peak = float(np.abs(self.samples).max(initial=0))
        return max(1.0, min(MAX_GAIN, LOUD / peak)) if peak > 0 else 1.0

    @property
    def played(self) -> bytes:
        """The WAV for listening, `gain` times as loud."""
        return audio.wav(torch.from_numpy(self.samples * np.float32(self.gain)), self.rate)


@dataclass(frozen=True)
class Envelope:
    """A waveform thinned for the browser: the lowest and highest sample of each moment, seconds."""

    times: np.ndarray
    low: np.ndarray
    high: np.ndarray


@dataclass(frozen=True)
class Spectrogram:
    """Decibels (rows, columns), low pitches first; seconds of the columns, Hz of the rows."""

    decibels: np.ndarray
    times: np.ndarray
    frequencies: np.ndarray


@dataclass(frozen=True)
class Rounded:
    """A recording on few levels, and as a WAV as loud as the original is played; what it cost, in dB, by levels."""

    sound: Sound
    wav: bytes
    snr: float
    mu_law: tuple[float, ...]
    even: tuple[float, ...]
    """The same of levels that lie evenly, for each of LEVELS."""


class TwoTones(Frozen):
    """A loud tone of 1,010 Hz and a weak one above it, half a second."""

    apart: int = Field(300, ge=20, le=2_000, description="Hz from the loud tone to the weak one")
    weaker: int = Field(40, ge=0, le=80, description="dB by which the second tone is weaker")


# --------------------------------------------------------------------- where recordings come from


def real_set(wanted: DataConfig | None = None) -> DataConfig:
    """The set real recordings are taken from: `wanted` or Free Spoken Digits where they are, else synthesised tones."""
    for config in (wanted, DataConfig(name="fsdd")):
        if config is None:
            continue
        try:
            if data.missing(config) is None and data.get_spec(config).sample_rate is not None:
                return config
        except DataError:  # a folder that has become unreadable since a model learned from it
            continue
    return DataConfig(name="tones")


def real_count(config: DataConfig) -> int:
    """How many test recordings there are."""
    return len(_recordings(config))


def real(config: DataConfig, index: int) -> Sound:
    """Test recording `index`; raises DataError where there is none."""
    found, spec = _recordings(config), data.get_spec(config)
    if not 0 <= index < len(found):
        raise DataError(f"test recording {index} does not exist; choose 0 to {len(found) - 1:,}")
    names = [spec.classes[int(found.labels[index])] if spec.classes else ""]
    names += [spec.speakers[int(found.speakers[index])]] if spec.speakers else []
    return Sound(found.clip(index), spec.sample_rate or RATE, ", ".join(filter(None, names)))


@lru_cache(maxsize=2)
def _recordings(config: DataConfig) -> Recordings:
    return data.load_audio(config, "test")


_decoded: OrderedDict[tuple[bytes, int], np.ndarray | str] = OrderedDict()  # samples, or why there are none
_decoded_lock = threading.Lock()  # held for a moment only: a slow file must not keep other visitors waiting


def decoded(raw: bytes, rate: int = RATE) -> Sound:
    """A visitor's WAV, FLAC, OGG, MP3 or AIFF at `rate`, at most MAX_SECONDS; raises DataError with the reason.

    Nothing of it is written to any folder; the samples stay in memory until some other files have been asked for.
    """
    key = (hashlib.sha256(raw).digest(), rate)
    with _decoded_lock:
        found = _decoded.get(key)
        if found is not None:
            _decoded.move_to_end(key)
    if found is None:
        try:
            found = intake.decode_recording(raw, rate, MAX_SECONDS)
        except BusyError:  # says nothing about the file
            raise
        except DataError as error:
            found = str(error)
        with _decoded_lock:
            _decoded[key] = found
            while len(_decoded) > _KEPT:
                _decoded.popitem(last=False)
    if isinstance(found, str):
        raise DataError(found)
    return Sound(found, rate)


def at_rate(sound: Sound, rate: int) -> Sound:
    """The same at another number of samples a second."""
    if sound.rate == rate:
        return sound
    return Sound(recording.resample(sound.samples, sound.rate, rate).astype(np.float32), rate, sound.title)


def two_tones(asked: TwoTones) -> Sound:
    """A sine of amplitude 1/2 and a weaker one; neither has a whole number of periods in any window."""
    time = np.arange(RATE // 2) / RATE
    weak = 10 ** (-asked.weaker / 20)
    x = 0.5 * (np.sin(2 * np.pi * 1_010 * time) + weak * np.sin(2 * np.pi * (1_010 + asked.apart) * time + 1))
    return Sound((x / max(1.0, 2 * float(np.abs(x).max()))).astype(np.float32), RATE)


# --------------------------------------------------------------------- how they look


def envelope(samples: np.ndarray, rate: int, most: int = 700) -> Envelope:
    """At most `most` moments of a waveform, so that no peak is lost."""
    each = max(1, -(-len(samples) // most))
    whole = (
        np.pad(samples, (0, -len(samples) % each), mode="edge").reshape(-1, each) if len(samples) else np.empty((0, 1))
    )
    times = np.arange(len(whole), dtype=np.float32) * (each / rate)
    return Envelope(times, whole.min(1).astype(np.float32), whole.max(1).astype(np.float32))


def spectrogram(sound: Sound, window: Window = "hann", length: int = 256, hop: int = 64) -> Spectrogram:
    """The spectra along time, thinned to COLUMNS x ROWS; raises ConfigError for a window or hop out of range."""
    if length not in LENGTHS or hop not in [length // part for part in HOPS]:
        raise ConfigError(
            f"length = {length} and hop = {hop} are not allowed: choose {LENGTHS[0]} to {LENGTHS[-1]} samples, a power "
            "of two, and a hop of all, a half, a quarter or an eighth of them"
        )
    found = _loudest(_loudest(fourier.stft(sound.samples, window, length, hop), ROWS, 0), COLUMNS, 1)
    times = _middles(len(sound.samples) // hop + 1, COLUMNS) * hop / sound.rate
    frequencies = _middles(length // 2 + 1, ROWS) * sound.rate / length
    return Spectrogram(found.astype(np.float32), times.astype(np.float32), frequencies.astype(np.float32))


def spectrum(sound: Sound, window: Window, length: int, at: float) -> tuple[np.ndarray, np.ndarray]:
    """Hz and decibels of the piece of `length` samples that begins at the share `at`, 0 to 1, of the sound."""
    if length not in LENGTHS or not 0 <= at <= 1:
        raise ConfigError(f"length = {length} at {at} is not allowed: choose {LENGTHS[0]} to {LENGTHS[-1]}, at 0 to 1")
    start = round(at * max(0, len(sound.samples) - length))
    piece = sound.samples[start : start + length]
    return fourier.spectrum(np.pad(piece, (0, length - len(piece))), sound.rate, window, points=2_048)


def _loudest(values: np.ndarray, most: int, axis: int) -> np.ndarray:
    """At most `most` entries along an axis, each the largest of those it stands for."""
    each = -(-values.shape[axis] // most)
    return np.maximum.reduceat(values, np.arange(0, values.shape[axis], each), axis)


def _middles(count: int, most: int) -> np.ndarray:
    """Of each entry that `_loudest` leaves, the middle of those it stands for."""
    each = -(-count // most)
    starts = np.arange(0, count, each)
    return (starts + np.minimum(starts + each, count) - 1) / 2


# --------------------------------------------------------------------- few levels


def rounded(sound: Sound, levels: int) -> Rounded:
    """Each sample on the nearest of 2 to 256 mu-law levels; raises ConfigError for another number."""
    if levels not in LEVELS:
        raise ConfigError(f"levels = {levels} is not allowed: choose one of {', '.join(map(str, LEVELS))}")
    x = torch.from_numpy(sound.samples)

    def task() -> tuple[np.ndarray, list[float], list[float]]:
        on_levels = {count: audio.mu_law_decode(audio.mu_law_encode(x, count), count) for count in LEVELS}
        even = [((x + 1) * ((count - 1) / 2)).round() * (2 / (count - 1)) - 1 for count in LEVELS]
        return on_levels[levels].numpy(), [_snr(x, y) for y in on_levels.values()], [_snr(x, y) for y in even]

    heard, mu_law, evenly = run(task)
    # Two levels are the loudest sound there is: played as it is, it would hurt.
    quieter = min(1.0, _rms(sound.samples) / max(1e-9, _rms(heard)))
    wav = audio.wav(torch.from_numpy(heard * np.float32(quieter * sound.gain)), sound.rate)
    on_levels = Sound(heard, sound.rate, sound.title)
    return Rounded(on_levels, wav, mu_law[LEVELS.index(levels)], tuple(mu_law), tuple(evenly))


def _rms(x: np.ndarray) -> float:
    return float(np.sqrt(np.square(x, dtype=np.float64).mean()))


def staircase(levels: int, points: int = 1_001) -> tuple[np.ndarray, np.ndarray]:
    """Samples from -1 to 1, and the level each is rounded to."""
    if levels not in LEVELS:
        raise ConfigError(f"levels = {levels} is not allowed: choose one of {', '.join(map(str, LEVELS))}")
    x = np.linspace(-1, 1, points, dtype=np.float32)
    return x, run(lambda: audio.mu_law_decode(audio.mu_law_encode(torch.from_numpy(x), levels), levels).numpy())


def _snr(x: torch.Tensor, y: torch.Tensor) -> float:
    """10 log10 of the signal's power over that of the error, dB; 0 for silence, 120 where nothing was lost."""
    signal, noise = float(x.double().square().sum()), float((x - y).double().square().sum())
    if signal == 0:
        return 0.0
    return min(120.0, 10 * math.log10(signal / noise)) if noise else 120.0
