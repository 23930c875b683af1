"""One recording of anybody's -> samples at the rate a model wants. Nothing a file claims is believed.

An 87 kB FLAC may hold ten minutes of silence: what is decoded is counted, not what the header says. To be called in a
process of its own (`intake.decode_recording`), for libsndfile is C and its input a stranger's.
"""

from __future__ import annotations

import io

import numpy as np

from genmodels.errors import DataError

FORMATS = ("WAV", "WAVEX", "FLAC", "OGG", "MP3", "MPEG")
MAX_FILE_BYTES = 20 * 2**20
MAX_SECONDS = 60.0
_MIN_RATE, _MAX_RATE, _MAX_CHANNELS = 2_000, 192_000, 8
_BLOCK = 65_536


def decode(raw: bytes, sample_rate: int, seconds: float = MAX_SECONDS) -> np.ndarray:
    """A WAV, FLAC, OGG or MP3 file's samples, float32 (T,) in [-1, 1]; channels averaged, resampled.

    Raises DataError for other formats, damaged files, no sound, values that are no numbers, and more than `seconds`.
    """
    import soundfile

    try:
        with soundfile.SoundFile(io.BytesIO(raw)) as file:
            if file.format not in FORMATS:
                raise DataError(f"{file.format} files are not read here; use WAV, FLAC, OGG or MP3")
            rate, channels = file.samplerate, file.channels
            if not _MIN_RATE <= rate <= _MAX_RATE or not 1 <= channels <= _MAX_CHANNELS:
                raise DataError(
                    f"{rate:,} samples a second in {channels} channels cannot be used; convert it to "
                    f"{_MIN_RATE:,} to {_MAX_RATE:,} in at most {_MAX_CHANNELS}"
                )
            blocks, count = [], 0
            while len(block := file.read(_BLOCK, dtype="float32", always_2d=True)):
                count += len(block)
                if count > seconds * rate:
                    raise DataError(f"it is longer than {seconds:g} seconds, the limit; cut out what you need")
                blocks.append(block.mean(1))
    except soundfile.LibsndfileError as error:
        raise DataError(f"not a WAV, FLAC, OGG or MP3 file, or damaged: {error.error_string}") from error
    except (RuntimeError, ValueError, OSError) as error:
        raise DataError(f"damaged: {error}") from error
    samples = np.concatenate(blocks) if blocks else np.empty(0, np.float32)
    if not len(samples):
        raise DataError("it holds no sound: it has zero samples")
    if not np.isfinite(samples).all():
        raise DataError("some of its samples are infinite or not a number; save it again as 16-bit WAV")
    return resample(samples, rate, sample_rate).clip(-1, 1).astype(np.float32)


def resample(x: np.ndarray, rate: int, wanted: int) -> np.ndarray:
    """Samples (T,) at another rate, by cutting or extending the spectrum: what lies above half the new rate is gone."""
    if rate == wanted:
        return x
    # The transform takes the recording for a circle; a second of silence keeps its ends from hearing each other, and
    # whole seconds have a whole number of samples at both rates.
    padded = np.pad(x.astype(np.float64), (rate, -len(x) % rate))
    spectrum = np.fft.rfft(padded)
    count = len(padded) // rate * wanted
    kept = np.zeros(count // 2 + 1, complex)
    shared = min(len(spectrum), len(kept))
    kept[:shared] = spectrum[:shared]
    kept[shared - 1] = 0  # at exactly half the rate, sine and cosine cannot be told apart
    resampled: np.ndarray = np.fft.irfft(kept, count)[wanted : wanted + max(1, round(len(x) * wanted / rate))]
    return resampled * (wanted / rate)
