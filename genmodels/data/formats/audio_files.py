"""Decode one untrusted audio file to samples at the sample rate a model needs. Headers are not trusted.

An 87 kB FLAC may hold ten minutes of silence, so the decoded samples are counted. Call it in a subprocess
(`sandbox.recordings.decode_recording`): libsndfile is written in C, and its input is untrusted.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from typing import BinaryIO

import numpy as np

from genmodels.errors import DataError

FORMATS = ("WAV", "WAVEX", "FLAC", "OGG", "MP3", "MPEG", "AIFF")
SUFFIXES = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aiff", ".aif", ".aifc")
MAX_FILE_BYTES = 20 * 2**20
MAX_SECONDS = 60.0
_MIN_RATE, _MAX_RATE, _MAX_CHANNELS = 2_000, 192_000, 8
_BLOCK = 65_536


def decode(raw: bytes, sample_rate: int, seconds: float = MAX_SECONDS) -> np.ndarray:
    """Decode a WAV, FLAC, OGG, MP3 or AIFF file to float32 (T,) in [-1, 1]; channels averaged, resampled.

    Raises DataError for other formats, damaged or empty files, values that are not finite, and more than `seconds`.
    """
    return np.concatenate([*blocks(io.BytesIO(raw), sample_rate, seconds)])


def blocks(file: BinaryIO, sample_rate: int, seconds: float = MAX_SECONDS) -> Iterator[np.ndarray]:
    """`decode` in blocks, so that an hour needs no more memory than a second; raises DataError while iterating."""
    import soundfile

    try:
        with soundfile.SoundFile(file) as opened:
            if opened.format not in FORMATS:
                raise DataError(f"{opened.format} files are not read here; use WAV, FLAC, OGG, MP3 or AIFF")
            rate, channels = opened.samplerate, opened.channels
            if not _MIN_RATE <= rate <= _MAX_RATE or not 1 <= channels <= _MAX_CHANNELS:
                raise DataError(
                    f"{rate:,} samples per second in {channels} channels cannot be used; convert it to "
                    f"{_MIN_RATE:,} to {_MAX_RATE:,} in at most {_MAX_CHANNELS}"
                )
            for block in resample_blocks(_one_channel(opened, seconds), rate, sample_rate):
                yield block.clip(-1, 1).astype(np.float32)
    except soundfile.LibsndfileError as error:
        raise DataError(f"not a WAV, FLAC, OGG, MP3 or AIFF file, or damaged: {error.error_string}") from error
    except (RuntimeError, ValueError, OSError) as error:
        raise DataError(f"damaged: {error}") from error


def resample(x: np.ndarray, rate: int, target_rate: int) -> np.ndarray:
    """Samples (T,) at another rate, float64 (max(1, round(T * target_rate / rate)),); none for none."""
    return np.concatenate([*resample_blocks([x], rate, target_rate)]) if len(x) else x


def resample_blocks(blocks: Iterable[np.ndarray], rate: int, target_rate: int) -> Iterator[np.ndarray]:
    """`resample` for a recording in blocks (T,): blocks of other lengths, independent of how it was divided."""
    import soxr

    if rate == target_rate:
        yield from blocks
        return
    stream = soxr.ResampleStream(rate, target_rate, 1, dtype="float64", quality="HQ")
    read = written = 0
    for block in blocks:
        read += len(block)
        result = stream.resample_chunk(np.ascontiguousarray(block, np.float64))
        written += len(result)
        yield result
    rest = stream.resample_chunk(np.zeros(0), last=True)
    total = max(1, round(read * target_rate / rate)) if read else 0
    # soxr returns nothing for a few samples, and rounds the length in its own way.
    yield np.pad(rest, (0, max(0, total - written - len(rest))))[: max(0, total - written)]


def _one_channel(file: object, seconds: float) -> Iterator[np.ndarray]:
    """Blocks of an opened soundfile.SoundFile, channels averaged; raises DataError if too long, empty or not finite."""
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
        raise DataError("it is empty: it has zero samples")
