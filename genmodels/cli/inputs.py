"""Read and decode a file named on the command line, with its name in error messages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np

from genmodels.data.formats import audio_files
from genmodels.data.sandbox.recordings import decode_recording
from genmodels.errors import DataError

T = TypeVar("T")


def read_recording(path: Path, sample_rate: int) -> np.ndarray:
    """A recording, float32 (T,) in [-1, 1] at `sample_rate`; raises DataError."""
    return decode_file(path, audio_files.MAX_FILE_BYTES, lambda raw: decode_recording(raw, sample_rate))


def decode_file(path: Path, most: int, decode: Callable[[bytes], T]) -> T:
    """`decode(bytes of the file)`; reads at most `most` + 1 bytes, which `decode` refuses. Raises DataError."""
    try:
        with path.open("rb") as file:
            raw = file.read(most + 1)
    except OSError as error:
        raise DataError(f"{str(path)!r} cannot be read: {error}") from error
    try:
        return decode(raw)
    except DataError as error:
        raise DataError(f"{str(path)!r} cannot be used: {error}") from error
