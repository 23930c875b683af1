"""Decode untrusted audio in a subprocess: one uploaded recording, or a whole folder.

Starting the subprocess takes half a second, decoding a one-second file two milliseconds, so a folder uses one process.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from genmodels.data.formats import audio_files
from genmodels.data.sandbox import decoding_process
from genmodels.data.sandbox.decoding_process import SILENCE_SECONDS, Wording
from genmodels.errors import DataError

MEMORY = 2 * 2**30
AT_ONCE = 2
"""Uploads decoded at the same time; each may take MEMORY and a core."""
MAX_WAIT = 20.0
_WORKER = "genmodels.data.sandbox.recording_worker"
_ONE = Wording("the recording", "Save it again as 16-bit WAV, or take another one", "Cut out what you need")
_MANY = Wording(
    "the recording", "Remove it from the folder, or save it again as 16-bit WAV", "Take a subfolder, or set data.limit"
)
_places = threading.BoundedSemaphore(AT_ONCE)


class BusyError(DataError):
    """Other recordings are being decoded; this one was not read."""


def decode_recording(
    raw: bytes,
    sample_rate: int,
    seconds: float = audio_files.MAX_SECONDS,
    *,
    silence_seconds: float = SILENCE_SECONDS,
    memory: int = MEMORY,
    wait: float = MAX_WAIT,
) -> np.ndarray:
    """Decode an untrusted recording to mono at `sample_rate`, float32 (T,) in [-1, 1], at most `seconds` long.

    WAV, FLAC, OGG, MP3 or AIFF, in half a second. Raises DataError with the reason, and BusyError if AT_ONCE other
    recordings are being decoded and none is ready within `wait` seconds.
    """
    if len(raw) > audio_files.MAX_FILE_BYTES:
        raise DataError(f"larger than {audio_files.MAX_FILE_BYTES >> 20} MB; cut out what you need first")
    if not _places.acquire(timeout=wait):
        raise BusyError(f"{AT_ONCE} other recordings are being read now; try again in a few seconds")
    try:
        with tempfile.TemporaryFile() as spool, tempfile.TemporaryFile() as out:
            spool.write(raw)
            spool.seek(0)  # also flushes
            request = {"kind": "recording", "memory": memory, "sample_rate": sample_rate, "seconds": seconds}
            report = decoding_process.run(_WORKER, request, _ONE, None, silence_seconds, {"spool": spool, "out": out})
            out.seek(0)
            samples = np.fromfile(out, "<f4", report["count"])
    finally:
        _places.release()
    return samples.astype(np.float32)


@dataclass(frozen=True)
class Decoded:
    """Recordings of a folder, concatenated: samples int16 (total,); ends and `rows` (indices in the names) int64 (N,).

    `skipped` has the other names with the reason.
    """

    samples: np.ndarray
    ends: np.ndarray
    rows: np.ndarray
    skipped: tuple[str, ...]


def decode_folder(
    folder: Path,
    names: Sequence[str],
    sample_rate: int,
    *,
    seconds: float,
    most: int,
    on_progress: Callable[[int, int], None] | None = None,
    silence_seconds: float = SILENCE_SECONDS,
    memory: int = MEMORY,
) -> Decoded:
    """Decode these files, each at most `seconds` long, together at most `most` samples at `sample_rate`.

    A file that cannot be used is skipped. Raises DataError if there are more samples, or a file crashes the subprocess.
    """
    with tempfile.TemporaryFile() as out:
        request = {"kind": "recordings", "memory": memory, "folder": str(folder), "names": list(names)}
        request |= {"sample_rate": sample_rate, "seconds": seconds, "most": most}
        report = decoding_process.run(_WORKER, request, _MANY, on_progress, silence_seconds, {"out": out})
        out.seek(0)
        samples = np.fromfile(out, "<i2", report["count"]).astype(np.int16, copy=False)
    ends, rows = np.array(report["ends"], np.int64), np.array(report["rows"], np.int64)
    return Decoded(samples, ends, rows, tuple(report["skipped"]))
