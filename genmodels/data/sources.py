"""Where pictures come from: a folder, a zip, or the faces of the GAN book in HDF5.

A source lists its pictures, says how they are grouped, and reads one as an array. Reading is safe from several
threads. Nothing is ever unpacked to disk.
"""

from __future__ import annotations

import lzma
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Protocol

import numpy as np

from genmodels.data import pictures, recording
from genmodels.errors import DataError

_SPLITS = {"train": False, "test": True, "val": True, "valid": True, "validation": True}
_MAX_CLASSES = 1_000
_DRIVE = re.compile(r"[A-Za-z]:")  # a colon farther behind is part of a name: "Screenshot 12:30.png"
# What zipfile raises on damaged and hostile archives, found by changing bytes at random.
_ZIP_ERRORS = (
    OSError,
    ValueError,
    LookupError,
    EOFError,
    RuntimeError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
)
_BLOCK = 512  # pictures decoded ahead of the one who writes them


@dataclass(frozen=True)
class Limits:
    """How much a source may hold."""

    entries: int = 500_000
    total_bytes: int = 32 * 2**30


LOCAL = Limits()
UPLOAD = Limits(entries=50_000, total_bytes=2 * 2**30)


class Source(Protocol):
    """A set of pictures that can be read one by one."""

    title: str
    names: Sequence[str]

    def read(self, name: str, size: int, channels: int) -> np.ndarray:
        """One picture, uint8 (channels, size, size); raises DataError."""


@dataclass(frozen=True)
class Listed:
    """One split of picture files, none of them opened: labels int64 (N,); `pictures(rows)` decodes those rows."""

    labels: np.ndarray
    pictures: Callable[[np.ndarray], np.ndarray]


def is_picture(name: str, suffixes: tuple[str, ...] = pictures.SUFFIXES) -> bool:
    """By its name: a picture's suffix, and not hidden (macOS puts shadows of all files into its zips)."""
    path = PurePosixPath(name)
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in path.parts)
    return not hidden and path.suffix.lower() in suffixes


def is_recording(name: str) -> bool:
    """The same for recordings."""
    return is_picture(name, recording.SUFFIXES)


def below(path: Path, wanted: Callable[[str], bool], most: int, what: str) -> list[str]:
    """The wanted files below a folder, by their paths in it, sorted. Links to other folders are not followed."""
    if not path.is_dir():
        raise DataError(f"{path} is not a folder")
    found: list[str] = []
    try:
        for parent, folders, files in os.walk(path, onerror=_raise):
            folders[:] = [name for name in folders if not name.startswith(".")]
            found += [os.path.join(os.path.relpath(parent, path), name) for name in files if wanted(name)]  # noqa: PTH118
            if len(found) > most:
                raise DataError(f"{path} holds more than {most:,} {what}, the limit; take a subfolder")
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    return sorted(PurePosixPath(name).as_posix() for name in found)


class Folder:
    """All pictures below a folder. Links to other folders are not followed."""

    def __init__(self, path: Path, limits: Limits = LOCAL) -> None:
        self.path, self.title = path, path.name
        self.names: Sequence[str] = below(path, is_picture, limits.entries, "pictures")

    def read(self, name: str, size: int, channels: int) -> np.ndarray:
        try:
            with (self.path / name).open("rb") as file:
                raw = file.read(pictures.MAX_FILE_BYTES + 1)
        except OSError as error:
            raise DataError(f"cannot be read: {error}") from error
        return pictures.decode(raw, size, channels)


class Zip:
    """All pictures in a zip, read from it in place."""

    def __init__(self, file: Path | BinaryIO, limits: Limits = LOCAL, title: str | None = None) -> None:
        self.title = title or (file.stem if isinstance(file, Path) else "uploaded zip")
        try:
            _check_directory(file, limits)
            self._zip = zipfile.ZipFile(file)
        except _ZIP_ERRORS as error:
            raise DataError(f"{self.title} cannot be read as a zip: {error}") from error
        entries = [entry for entry in self._zip.infolist() if not entry.is_dir()]
        self._check(entries, limits)
        # Of two entries of one name the later one counts, as everywhere.
        self._entries = {entry.filename: entry for entry in entries if is_picture(entry.filename)}
        self.names: Sequence[str] = sorted(self._entries)
        self.others = sum(not is_picture(entry.filename) for entry in entries)

    def _check(self, entries: Sequence[zipfile.ZipInfo], limits: Limits) -> None:
        if len(entries) > limits.entries:
            raise DataError(
                f"{self.title} holds {len(entries):,} files; the limit is {limits.entries:,}. Pack it in parts"
            )
        total = sum(entry.file_size for entry in entries)
        if total > limits.total_bytes:
            raise DataError(
                f"{self.title} unpacks to {total / 1e6:,.0f} MB; the limit is {limits.total_bytes / 1e6:,.0f} MB. "
                "Pack it in parts, or make the pictures smaller first"
            )
        for entry in entries:
            path = PurePosixPath(entry.filename.replace("\\", "/"))
            if path.is_absolute() or ".." in path.parts or _DRIVE.match(entry.filename):
                raise DataError(
                    f"{self.title} is refused: its entry {entry.filename[:80]!r} points outside the archive. "
                    "Make the zip again from the folder itself"
                )
            if entry.flag_bits & 1:
                raise DataError(f"{self.title} is encrypted; make a zip without a password")

    def read(self, name: str, size: int, channels: int) -> np.ndarray:
        entry = self._entries[name]
        if entry.file_size > pictures.MAX_FILE_BYTES:
            raise DataError(f"larger than {pictures.MAX_FILE_BYTES >> 20} MB")
        try:
            raw = self._zip.read(entry)  # never more than the checked file_size
        except _ZIP_ERRORS as error:
            raise DataError(f"cannot be unpacked: {error}") from error
        return pictures.decode(raw, size, channels)


def _check_directory(file: Path | BinaryIO, limits: Limits) -> None:
    """Refuse a directory of millions of entries before Python makes an object of each (500 bytes and more)."""
    if isinstance(file, Path):
        with file.open("rb") as opened:
            return _check_directory(opened, limits)
    end = file.seek(0, os.SEEK_END)
    file.seek(max(0, end - 65_557))  # the end record and its longest comment
    tail = file.read()
    at = tail.rfind(b"PK\5\6")
    if at < 0:
        raise zipfile.BadZipFile("it has no zip directory")
    (size,) = struct.unpack_from("<I", tail, at + 12)
    large = tail.rfind(b"PK\6\6")
    if size == 0xFFFFFFFF and large >= 0:
        (size,) = struct.unpack_from("<Q", tail, large + 40)
    file.seek(0)
    most = limits.entries * 300  # 46 bytes and a long name each
    if size > most:
        raise DataError(f"the zip's directory is {size / 1e6:,.0f} MB; the limit is {limits.entries:,} files")
    return None


def _raise(error: OSError) -> None:
    raise error


@dataclass(frozen=True)
class Layout:
    """How files are grouped by their folders."""

    classes: tuple[str, ...]
    labels: np.ndarray  # int64 (N,), all 0 without classes
    test: np.ndarray | None  # bool (N,) where folders say which files are the test split


def layout(names: Sequence[str]) -> Layout:
    """Classes are the folders beside one another at the top, if there are two and no file lies beside them.

    `train` beside `test` or `val` at the top are splits, with the classes below. A folder that holds everything
    counts for nothing.
    """
    parts = _without_common([PurePosixPath(name).parts for name in names])
    test = None
    tops = {part[0].lower() for part in parts if len(part) > 1}
    if len(tops) > 1 and "train" in tops and tops <= _SPLITS.keys() and all(len(part) > 1 for part in parts):
        test = np.array([_SPLITS[part[0].lower()] for part in parts])
        parts = [part[1:] for part in parts]
    heads = sorted({part[0] for part in parts}) if all(len(part) > 1 for part in parts) else []
    if len(heads) < 2:
        return Layout((), np.zeros(len(parts), np.int64), test)
    if len(heads) > _MAX_CLASSES:
        raise DataError(
            f"{len(heads):,} folders would make as many classes; the limit is {_MAX_CLASSES:,}. "
            "Put files without classes into one folder"
        )
    index = {head: row for row, head in enumerate(heads)}
    return Layout(tuple(heads), np.array([index[part[0]] for part in parts], np.int64), test)


def _without_common(parts: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    while parts and all(len(part) > 1 for part in parts) and len({part[0] for part in parts}) == 1:
        parts = [part[1:] for part in parts]
    return parts


def read_all(
    source: Source, names: Sequence[str], size: int, channels: int
) -> Iterator[tuple[str, np.ndarray | DataError]]:
    """Each picture, or why it cannot be used, in order; decoded on several threads (Pillow releases the lock)."""
    read = partial(_try, source, size=size, channels=channels)
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1), "pictures") as pool:
        for start in range(0, len(names), _BLOCK):
            block = names[start : start + _BLOCK]
            yield from zip(block, pool.map(read, block), strict=True)


def _try(source: Source, name: str, *, size: int, channels: int) -> np.ndarray | DataError:
    try:
        return source.read(name, size, channels)
    except DataError as error:
        return error
