"""Upload pipeline for untrusted files: a subprocess decodes them and packs them as a data set of the user.

A hostile file may hang a decoder, exhaust the memory or crash the HDF5 library. So the server decodes no byte of it:
`own/packing_worker.py` does it under a memory limit, is stopped when it makes no progress, and writes a new file
in the studio's own layout. Starting it costs 0.3 s.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Literal

from pydantic import Field

from genmodels.config import Frozen
from genmodels.data import uploaded_sets
from genmodels.data.formats import image_files
from genmodels.data.left_out import known_reason
from genmodels.data.own import array_files, sources
from genmodels.data.sandbox import decoding_process
from genmodels.data.sandbox.decoding_process import SILENCE_SECONDS, Wording
from genmodels.errors import DataError

SIZES = (16, 28, 32, 48, 64, 96, 128, 192, 256)
MAX_FILES = 5_000  # uploaded as single files; more have to be zipped
MAX_UPLOAD_BYTES = 500 * 2**20
MEMORY = 6 * 2**30  # an image of 64 million pixels takes half a gigabyte to decode, on up to 8 threads
_ZIP_MAGIC, _HDF5_MAGIC = b"PK", b"\x89HDF\r\n\x1a\n"
_STALE = 86_400.0
_WORKER = "genmodels.data.own.packing_worker"
_one_at_a_time = threading.Lock()
_PACKING = Wording(
    "the upload",
    "Nothing was stored; try it with fewer or smaller pictures",
    "Nothing was stored; pack large sets on the command line: `python -m genmodels pack FOLDER OUT.h5`",
)


class UploadSettings(Frozen):
    """Settings of the new data set."""

    title: str = Field(min_length=1, max_length=uploaded_sets.MAX_TITLE, description="the name it is listed under")
    size: Literal[16, 28, 32, 48, 64, 96, 128, 192, 256] = Field(64, description="side of the images in pixels")
    grey: bool = Field(False, description="one channel instead of three")
    background: int = Field(0, ge=0, le=255, description="grey level of the background of transparent pixels")
    licence: str = Field("", max_length=500, description="who may use the images; stored in the file")


@dataclass(frozen=True)
class Upload:
    """One uploaded file."""

    name: str
    file: BinaryIO
    size: int


@dataclass(frozen=True)
class UploadReport:
    """Result of an upload: `skipped` names each image that could not be decoded, `others` counts files of other types.

    `left_out` has a line per reason why files were not used; `notes` are further lines for the user.
    """

    name: str
    count: int
    shape: tuple[int, int, int]
    classes: tuple[str, ...]
    skipped: tuple[str, ...]
    others: int
    bytes: int
    seconds: float
    left_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


Kind = Literal["zip", "hdf5", "pictures", "arrays"]


def kind_of(uploads: Sequence[Upload]) -> Kind:
    """Type of an upload: one zip or .npz, one HDF5 file, images, or files of arrays; raises DataError for others."""
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
    if all(array_files.is_array_file(_plain_name(upload.name)) for upload in uploads) and not _is_npz(uploads):
        return "arrays"
    others = [upload for upload in uploads if not sources.is_image(_plain_name(upload.name))]
    if len(others) < len(uploads) and not any(map(_is_archive, others)):
        return "pictures"  # files of other types among them are counted, with the reason
    archives = others
    if len(uploads) == 1 and archives:
        upload = uploads[0]
        upload.file.seek(0)
        start = upload.file.read(len(_HDF5_MAGIC))
        if start == _HDF5_MAGIC:
            return "hdf5"
        if start.startswith(_ZIP_MAGIC):
            return "zip"
        if reason := known_reason(_plain_name(upload.name)):
            raise DataError(f"{upload.name[:80]!r} cannot be used: {reason}")
        raise DataError(
            f"{upload.name[:80]!r} is neither a zip nor an HDF5 file, whatever its name; "
            f"upload pictures ({sources.join_suffixes(image_files.SUFFIXES)}), one zip of them, one .npz, CSV or idx "
            "files, or one HDF5 file"
        )
    if len(archives) < len(uploads):
        archive = next(filter(_is_archive, archives))
        raise DataError(
            f"{archive.name[:80]!r} is among pictures; upload either pictures, or one zip, or one HDF5 file"
        )
    raise DataError(f"{len(archives)} archives at once; upload one zip or one HDF5 file, and then the next")


def _is_archive(upload: Upload) -> bool:
    """A zip or an HDF5 file, by its content."""
    upload.file.seek(0)
    start = upload.file.read(len(_HDF5_MAGIC))
    return start == _HDF5_MAGIC or start.startswith(_ZIP_MAGIC)


def _is_npz(uploads: Sequence[Upload]) -> bool:
    """A single .npz, which is a zip itself."""
    return len(uploads) == 1 and uploads[0].name.lower().endswith(".npz")


def pack(
    uploads: Sequence[Upload],
    settings: UploadSettings,
    on_progress: Callable[[int, int], None] | None = None,
    *,
    silence_seconds: float = SILENCE_SECONDS,
    memory: int = MEMORY,
) -> UploadReport:
    """Pack an upload as a new data set, completely or not at all.

    `on_progress(done, total)` is called about ten times per second. Raises ConfigError if the name cannot be used, and
    DataError with the reason if the upload cannot; nothing is stored then.
    """
    kind = kind_of(uploads)
    name = uploaded_sets.name_from_title(settings.title)
    uploaded_sets.new_path(name)
    if not _one_at_a_time.acquire(blocking=False):
        raise DataError("another set is being packed now; try again when it is ready")
    try:
        uploaded_sets.folder().mkdir(parents=True, exist_ok=True)
        _sweep()
        with tempfile.TemporaryDirectory(
            prefix=".upload-", dir=uploaded_sets.folder(), ignore_cleanup_errors=True
        ) as scratch:
            spool, packed = Path(scratch, f"{name}.h5"), Path(scratch, "packed.h5")
            _write_spool(spool, uploads, kind)
            request = {"spool": str(spool), "out": str(packed), "kind": kind, "memory": memory}
            report = decoding_process.run(
                _WORKER, {**request, **settings.model_dump()}, _PACKING, on_progress, silence_seconds
            )
            os.replace(packed, uploaded_sets.new_path(name))
    except OSError as error:
        raise DataError(
            f"{uploaded_sets.folder()} could not be written: {error.strerror or error}. Free some space, "
            "or set GENMODELS_DATA"
        ) from error
    finally:
        _one_at_a_time.release()
    return UploadReport(
        name=name,
        count=report["count"],
        shape=tuple(report["shape"]),
        classes=tuple(report["classes"]),
        skipped=tuple(report["skipped"]),
        others=report["others"],
        bytes=report["bytes"],
        seconds=report["seconds"],
        left_out=tuple(report["left_out"]),
        notes=tuple(report["notes"]),
    )


def _sweep() -> None:
    """Remove temporary folders that are older than any upload in another process can be."""
    for path in uploaded_sets.folder().glob(".upload-*"):
        if time.time() - path.stat().st_mtime > _STALE:
            shutil.rmtree(path, ignore_errors=True)


def _plain_name(name: str) -> str:
    return PurePosixPath(name.replace("\\", "/")).name


def _write_spool(path: Path, uploads: Sequence[Upload], kind: Kind) -> None:
    """Write the upload as one file for the subprocess: unchanged, or single files stored in a zip."""
    for upload in uploads:
        upload.file.seek(0)
    if kind in ("zip", "hdf5"):
        with path.open("wb") as target:
            shutil.copyfileobj(uploads[0].file, target, 2**20)
        return
    used: set[str] = set()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for upload in uploads:
            with archive.open(_free_name(_plain_name(upload.name), used), "w") as entry:
                shutil.copyfileobj(upload.file, entry, 2**20)


def _free_name(name: str, used: set[str]) -> str:
    """The name, with a number if it is used already: two files of one name may come from two folders."""
    path, number, free = PurePosixPath(name), 1, name
    while free in used:
        number += 1
        free = f"{path.stem} ({number}){path.suffix}"
    used.add(free)
    return free
