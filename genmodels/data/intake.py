"""What a stranger hands in -> a set of the user's own, packed by a process of its own.

A hostile file may hang a decoder, exhaust the memory or crash the HDF5 library. So no byte of it is decoded in the
process that serves pages: `python -m genmodels.data.intake_worker` does it under a limit of memory, is stopped when it
makes no progress, and what it writes is a new file of the studio's own layout. Starting it costs 0.3 s.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Literal

import numpy as np
from pydantic import Field

from genmodels.config import Frozen
from genmodels.data import own, recording, sources
from genmodels.errors import DataError

SIZES = (16, 28, 32, 48, 64, 96, 128, 192, 256)
MAX_FILES = 5_000  # uploaded one by one; more come as a zip
MAX_UPLOAD_BYTES = 500 * 2**20
PATIENCE, MAX_SECONDS = 60.0, 1_800.0
RECORDING_MEMORY = 2 * 2**30
MEMORY = 6 * 2**30  # a picture of 64 million pixels is decoded in half a gigabyte, on up to 8 threads
_ZIP_MAGIC, _HDF5_MAGIC = b"PK", b"\x89HDF\r\n\x1a\n"
_STALE = 86_400.0
_log = logging.getLogger(__name__)
_one_at_a_time = threading.Lock()


class Wanted(Frozen):
    """How the new set is to be made."""

    title: str = Field(min_length=1, max_length=own.MAX_TITLE, description="the name it is listed under")
    size: Literal[16, 28, 32, 48, 64, 96, 128, 192, 256] = Field(64, description="side of the pictures in pixels")
    grey: bool = Field(False, description="one channel instead of three")
    licence: str = Field("", max_length=500, description="who may use the pictures; kept in the file")


@dataclass(frozen=True)
class Upload:
    """One file as the browser sent it."""

    name: str
    file: BinaryIO
    size: int


@dataclass(frozen=True)
class Taken:
    """What became of an upload: `skipped` names each picture left out and why, `others` counts files of other kinds."""

    name: str
    count: int
    shape: tuple[int, int, int]
    classes: tuple[str, ...]
    skipped: tuple[str, ...]
    others: int
    bytes: int
    seconds: float


Kind = Literal["zip", "hdf5", "pictures"]


def kind_of(uploads: Sequence[Upload]) -> Kind:
    """What was handed in: one zip, one HDF5 file, or pictures; raises DataError for anything else, by content."""
    if not uploads:
        raise DataError("nothing was uploaded: choose pictures, one zip of pictures, or one HDF5 file")
    if len(uploads) > MAX_FILES:
        raise DataError(f"{len(uploads):,} files are too many one by one; the limit is {MAX_FILES:,}. Zip them first")
    total = sum(upload.size for upload in uploads)
    if total > MAX_UPLOAD_BYTES:
        raise DataError(
            f"{total / 2**20:,.0f} MB are too much at once; the limit is {MAX_UPLOAD_BYTES >> 20:,} MB. "
            "Pack them on the command line: `python -m genmodels pack FOLDER OUT.h5`"
        )
    archives = [upload for upload in uploads if not sources.is_picture(_plain_name(upload.name))]
    if len(uploads) == 1 and archives:
        upload = uploads[0]
        upload.file.seek(0)
        start = upload.file.read(len(_HDF5_MAGIC))
        if start == _HDF5_MAGIC:
            return "hdf5"
        if start.startswith(_ZIP_MAGIC):
            return "zip"
        raise DataError(
            f"{upload.name[:80]!r} is neither a zip nor an HDF5 file, whatever its name says; "
            "upload pictures (png, jpg, webp, bmp, gif), one zip of them, or one HDF5 file"
        )
    if archives and len(archives) < len(uploads):
        raise DataError(
            f"{archives[0].name[:80]!r} lies among pictures; upload either pictures, or one zip, or one HDF5 file"
        )
    if archives:
        raise DataError(f"{len(archives)} archives at once; upload one zip or one HDF5 file, and then the next")
    return "pictures"


def take_in(
    uploads: Sequence[Upload],
    wanted: Wanted,
    on_progress: Callable[[int, int], None] | None = None,
    *,
    patience: float = PATIENCE,
    memory: int = MEMORY,
) -> Taken:
    """Pack an upload into a new own set. It is there whole in the end, or not at all.

    `on_progress(done, total)` is called about ten times a second. Raises ConfigError where the name cannot be used,
    DataError where the upload cannot: with the reason, and nothing kept.
    """
    kind = kind_of(uploads)
    name = own.short_name(wanted.title)
    own.new_path(name)
    if not _one_at_a_time.acquire(blocking=False):
        raise DataError("another set is being packed just now; try again when it is ready")
    try:
        own.folder().mkdir(parents=True, exist_ok=True)
        _sweep()
        with tempfile.TemporaryDirectory(prefix=".upload-", dir=own.folder()) as scratch:
            spool, packed = Path(scratch, f"{name}.h5"), Path(scratch, "packed.h5")
            _write_spool(spool, uploads, kind)
            request = {"spool": str(spool), "out": str(packed), "kind": kind, "memory": memory}
            done = _run({**request, **wanted.model_dump()}, on_progress, patience)
            os.replace(packed, own.new_path(name))
    except OSError as error:
        raise DataError(
            f"{own.folder()} could not be written: {error.strerror or error}. Free some space, or set GENMODELS_DATA"
        ) from error
    finally:
        _one_at_a_time.release()
    return Taken(
        name=name,
        count=done["count"],
        shape=tuple(done["shape"]),
        classes=tuple(done["classes"]),
        skipped=tuple(done["skipped"]),
        others=done["others"],
        bytes=done["bytes"],
        seconds=done["seconds"],
    )


def decode_recording(
    raw: bytes,
    sample_rate: int,
    seconds: float = recording.MAX_SECONDS,
    *,
    patience: float = PATIENCE,
    memory: int = RECORDING_MEMORY,
) -> np.ndarray:
    """One channel of a stranger's recording at `sample_rate`, float32 (T,) in [-1, 1]; at most `seconds` long.

    WAV, FLAC, OGG or MP3. Decoded in a process of its own, which takes half a second. Raises DataError with the reason.
    """
    if len(raw) > recording.MAX_FILE_BYTES:
        raise DataError(f"larger than {recording.MAX_FILE_BYTES >> 20} MB; cut out what you need first")
    with tempfile.TemporaryDirectory(prefix="genmodels-recording-") as scratch:
        spool, out = Path(scratch, "spool"), Path(scratch, "samples")
        spool.write_bytes(raw)
        request = {"spool": str(spool), "out": str(out), "kind": "recording", "memory": memory}
        done = _run({**request, "sample_rate": sample_rate, "seconds": seconds}, None, patience)
        samples = np.fromfile(out, "<f4", done["count"])
    return samples.astype(np.float32)


def _sweep() -> None:
    """Remove what an ended server left behind; a packing in another process is younger than that."""
    for path in own.folder().glob(".upload-*"):
        if time.time() - path.stat().st_mtime > _STALE:
            shutil.rmtree(path, ignore_errors=True)


def _plain_name(name: str) -> str:
    return PurePosixPath(name.replace("\\", "/")).name


def _write_spool(path: Path, uploads: Sequence[Upload], kind: Kind) -> None:
    """The upload as one file for the other process: as it came, or single pictures stored in a zip."""
    for upload in uploads:
        upload.file.seek(0)
    if kind != "pictures":
        with path.open("wb") as target:
            shutil.copyfileobj(uploads[0].file, target, 2**20)
        return
    used: set[str] = set()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for upload in uploads:
            with archive.open(_free_name(_plain_name(upload.name), used), "w") as entry:
                shutil.copyfileobj(upload.file, entry, 2**20)


def _free_name(name: str, used: set[str]) -> str:
    """Two files of one name, from two folders, are two pictures."""
    path, number, free = PurePosixPath(name), 1, name
    while free in used:
        number += 1
        free = f"{path.stem} ({number}){path.suffix}"
    used.add(free)
    return free


def _run(request: dict[str, Any], on_progress: Callable[[int, int], None] | None, patience: float) -> dict[str, Any]:
    """The other process's report; it is ended where it hangs, and where the caller goes away."""
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "genmodels.data.intake_worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            cwd=Path(__file__).parents[2],
        )
        assert process.stdin is not None
        try:
            with contextlib.suppress(BrokenPipeError):  # it died at its start; its exit code tells below
                process.stdin.write(json.dumps(request).encode())
                process.stdin.close()
            with contextlib.closing(_messages(process, patience)) as messages:
                for message in messages:
                    if "error" in message:
                        raise DataError(message["error"])
                    if "count" in message:
                        return message
                    if on_progress is not None:
                        on_progress(message["done"], message["total"])
            code = process.wait()
            errors.seek(0)
            _log.error("packing an upload ended with %s: %s", code, errors.read(20_000).decode("utf-8", "replace"))
        finally:
            process.kill()
            process.wait()
    raise DataError(
        f"the upload broke the program that reads it (exit code {code}): it is damaged, hostile, or needs more than "
        f"{request['memory'] / 2**30:.1f} GB of memory. Nothing was kept; try it with fewer or smaller pictures"
    )


def _messages(process: subprocess.Popen[bytes], patience: float) -> Generator[dict[str, Any], None, None]:
    """What the process says, line by line; raises DataError where it falls silent or takes for ever."""
    assert process.stdout is not None
    lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    output = process.stdout

    def listen() -> None:
        with output:
            for line in output:
                lines.put(line)
        lines.put(b"")

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    began = time.monotonic()
    try:
        while True:
            try:
                line = lines.get(timeout=patience)
            except queue.Empty:
                raise DataError(
                    f"the upload made no progress for {patience:g} seconds and was given up: it is damaged or "
                    "hostile. Nothing was kept"
                ) from None
            if not line:
                return
            if time.monotonic() - began > MAX_SECONDS:
                raise DataError(
                    f"packing took more than {MAX_SECONDS / 60:.0f} minutes and was given up; nothing was kept. "
                    "Pack large sets on the command line: `python -m genmodels pack FOLDER OUT.h5`"
                )
            yield json.loads(line)
    finally:
        process.kill()
        listener.join()
