"""One recording of anybody's -> samples at the rate a model wants. Nothing a file claims is believed.

An 87 kB FLAC may hold ten minutes of silence: what is decoded is counted, not what the header says. To be called in a
process of its own (`intake.decode_recording`), for libsndfile is C and its input a stranger's.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from genmodels.data.resampling import resample, resampled
from genmodels.errors import DataError

__all__ = ["FORMATS", "MAX_FILE_BYTES", "MAX_SECONDS", "SUFFIXES", "blocks", "decode", "resample"]

FORMATS = ("WAV", "WAVEX", "FLAC", "OGG", "MP3", "MPEG", "AIFF")
SUFFIXES = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aiff", ".aif", ".aifc")
MAX_FILE_BYTES = 20 * 2**20
MAX_SECONDS = 60.0
_MIN_RATE, _MAX_RATE, _MAX_CHANNELS = 2_000, 192_000, 8
_BLOCK = 65_536


def decode(raw: bytes, sample_rate: int, seconds: float = MAX_SECONDS) -> np.ndarray:
    """A WAV, FLAC, OGG, MP3 or AIFF file's samples, float32 (T,) in [-1, 1]; channels averaged, resampled.

    Raises DataError for other formats, damaged files, no sound, values that are no numbers, and more than `seconds`.
    """
    return np.concatenate([*blocks(io.BytesIO(raw), sample_rate, seconds)])


def blocks(file: BinaryIO, sample_rate: int, seconds: float = MAX_SECONDS) -> Iterator[np.ndarray]:
    """The same piece by piece, so that an hour needs no more memory than a second; raises DataError on the way."""
    import soundfile

    try:
        with soundfile.SoundFile(file) as opened:
            if opened.format not in FORMATS:
                raise DataError(f"{opened.format} files are not read here; use WAV, FLAC, OGG, MP3 or AIFF")
            rate, channels = opened.samplerate, opened.channels
            if not _MIN_RATE <= rate <= _MAX_RATE or not 1 <= channels <= _MAX_CHANNELS:
                raise DataError(
                    f"{rate:,} samples a second in {channels} channels cannot be used; convert it to "
                    f"{_MIN_RATE:,} to {_MAX_RATE:,} in at most {_MAX_CHANNELS}"
                )
            for block in resampled(_one_channel(opened, seconds), rate, sample_rate):
                yield block.clip(-1, 1).astype(np.float32)
    except soundfile.LibsndfileError as error:
        raise DataError(f"not a WAV, FLAC, OGG, MP3 or AIFF file, or damaged: {error.error_string}") from error
    except (RuntimeError, ValueError, OSError) as error:
        raise DataError(f"damaged: {error}") from error


def _one_channel(file: object, seconds: float) -> Iterator[np.ndarray]:
    """Blocks of an opened soundfile.SoundFile, channels averaged, counted and looked through."""
    count, rate = 0, file.samplerate  # type: ignore[attr-defined]
    while len(block := file.read(_BLOCK, dtype="float32", always_2d=True)):  # type: ignore[attr-defined]
        count += len(block)
        if count > seconds * rate:
            raise DataError(f"it is longer than {seconds:g} seconds, the limit; cut out what you need")
        samples: np.ndarray = block.mean(1)
        if not np.isfinite(samples).all():
            raise DataError("some of its samples are infinite or not a number; save it again as 16-bit WAV")
        yield samples
    if not count:
        raise DataError("it holds no sound: it has zero samples")
