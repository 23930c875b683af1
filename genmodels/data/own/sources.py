"""Sources of images: a folder, a zip, arrays, or the faces of the GAN book in HDF5.

A source lists its images, says how they are grouped, and reads one as an array, from several threads at once. Nothing
is unpacked to disk.
"""

from __future__ import annotations

import contextlib
import os
import re
import zipfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Protocol

import numpy as np

from genmodels.data.formats import image_files
from genmodels.data.formats.background import Background
from genmodels.data.formats.image_files import Decoder
from genmodels.data.formats.zip_files import LOCAL, ZIP_ERRORS, Limits, check_directory
from genmodels.data.left_out import LeftOut, is_system_file, printable
from genmodels.data.own.layouts import Layout, layout
from genmodels.data.own.scan import list_files
from genmodels.errors import DataError

_DRIVE = re.compile(r"[A-Za-z]:")  # a later colon is part of a name: "Screenshot 12:30.png"
_LINK, _UTF8 = 0o120000, 0x800
_BLOCK = 512  # images decoded ahead of their consumer


_SMALL = 2**20  # bytes of an entry whose compression ratio is not checked


class Source(Protocol):
    """Images that can be read one by one."""

    title: str
    names: Sequence[str]
    left_out: LeftOut

    def read(self, name: str, size: int, channels: int, background: Background | None = None) -> np.ndarray:
        """One image, uint8 (channels, size, size), composited onto black or the background; raises DataError."""


def is_image(name: str, suffixes: tuple[str, ...] = image_files.SUFFIXES) -> bool:
    """Whether a file name has an image suffix and is not hidden (macOS adds a hidden copy of each file to its zips)."""
    return not is_system_file(name) and PurePosixPath(name).suffix.lower() in suffixes


class Folder:
    """All images below a folder; `left_out` has its other files."""

    def __init__(self, path: Path, limits: Limits = LOCAL) -> None:
        files = list_files(path, image_files.SUFFIXES, limits.entries, "pictures")
        self.path, self.title = path, printable(path.name)
        self.names: Sequence[str] = files.names
        self.left_out, self.linked = files.left_out, files.linked

    def raw(self, name: str) -> bytes:
        """A file's bytes; raises DataError."""
        try:
            with (self.path / name).open("rb") as file:
                return file.read(image_files.MAX_FILE_BYTES + 1)
        except OSError as error:
            raise DataError(f"cannot be read: {error.strerror or error}") from error

    def read(self, name: str, size: int, channels: int, background: Background | None = None) -> np.ndarray:
        return _decoded(self.raw(name), size, channels, background)


class Zip:
    """All images in a zip, read in place."""

    def __init__(
        self,
        file: Path | BinaryIO,
        limits: Limits = LOCAL,
        title: str | None = None,
        decode: Decoder = image_files.decode_onto,
        suffixes: Sequence[str] = image_files.SUFFIXES,
    ) -> None:
        self._decode, self._ratio = decode, limits.ratio
        self.title = title or (printable(file.stem) if isinstance(file, Path) else "uploaded zip")
        try:
            check_directory(file, limits)
            self._zip = zipfile.ZipFile(file)
        except ZIP_ERRORS as error:
            raise DataError(f"{self.title} cannot be read as a zip: {error}") from error
        entries = {}
        self.left_out = LeftOut()
        listed = [(_entry_name(entry), entry) for entry in self._zip.infolist()]
        files = [(name, entry) for name, entry in listed if not name.endswith("/")]
        self._check(files, limits)
        for name, entry in files:
            if (entry.external_attr >> 16) & 0o170000 == _LINK and not is_system_file(name):
                self.left_out.add(name, "links, which are not followed in a zip; zip the files themselves")
            elif self.left_out.add_unless_used(name, suffixes):
                if name in entries:  # the later of two entries of one name counts, as in other programs
                    self.left_out.add(name, "entries that a later one of the same name replaces")
                entries[name] = entry
        self._entries = entries
        self.names: Sequence[str] = sorted(entries)
        self.others = self.left_out.count + self.left_out.ignored

    def _check(self, entries: Sequence[tuple[str, zipfile.ZipInfo]], limits: Limits) -> None:
        if len(entries) > limits.entries:
            raise DataError(
                f"{self.title} holds {len(entries):,} files; the limit is {limits.entries:,}. Pack it in parts"
            )
        total = sum(entry.file_size for _, entry in entries)
        if total > limits.total_bytes:
            raise DataError(
                f"{self.title} unpacks to {total / 1e6:,.0f} MB; the limit is {limits.total_bytes / 1e6:,.0f} MB. "
                "Pack it in parts, or make the pictures smaller first"
            )
        for name, entry in entries:
            path = PurePosixPath(name)
            if path.is_absolute() or ".." in path.parts or _DRIVE.match(name):
                raise DataError(
                    f"{self.title} is refused: its entry {name[:80]!r} points outside the archive. "
                    "Make the zip again from the folder itself"
                )
            if entry.flag_bits & 1:
                raise DataError(f"{self.title} is encrypted; make a zip without a password")

    def open(self, name: str) -> BinaryIO:
        """The entry as a binary file, for files other than images."""
        return self._zip.open(self._entries[name])  # type: ignore[return-value]

    def raw(self, name: str) -> bytes:
        """An entry's bytes, bounded; raises DataError."""
        entry = self._entries[name]
        if entry.file_size > image_files.MAX_FILE_BYTES:
            raise DataError(f"larger than {image_files.MAX_FILE_BYTES >> 20} MB")
        if entry.file_size > max(_SMALL, self._ratio * entry.compress_size):
            raise DataError(
                f"{entry.file_size / 1e6:,.0f} MB packed into {entry.compress_size:,} bytes, more than "
                f"{self._ratio:g} to 1, so it is blank or hostile; save it again as PNG or JPEG"
            )
        try:
            return self._zip.read(entry)  # never more than the checked file_size
        except ZIP_ERRORS as error:
            raise DataError(f"cannot be unpacked: {error}") from error

    def read(self, name: str, size: int, channels: int, background: Background | None = None) -> np.ndarray:
        return _decoded(self.raw(name), size, channels, background, self._decode)


def _decoded(
    raw: bytes, size: int, channels: int, background: Background | None, decode: Decoder = image_files.decode_onto
) -> np.ndarray:
    if not raw:
        raise DataError("empty: the file has 0 bytes")
    if background is None:
        return np.asarray(decode(raw, size, channels, (0,))[0])
    return background.decode(raw, size, channels, decode)


def _entry_name(entry: zipfile.ZipInfo) -> str:
    """The entry's path with forward slashes (Windows tools write backslashes); a folder's ends in a slash.

    macOS writes UTF-8 without the flag for it, and zipfile then decodes the bytes as code page 437.
    """
    name = entry.filename
    if not entry.flag_bits & _UTF8 and not name.isascii():
        with contextlib.suppress(UnicodeError):
            name = name.encode("cp437").decode()
    name = name.replace("\\", "/")
    return name if name.endswith("/") else PurePosixPath(name).as_posix()


@dataclass(frozen=True)
class GroupedImages:
    """The usable images of a source, with class and split; `left_out` has the others by reason."""

    names: Sequence[str]
    classes: tuple[str, ...]
    labels: np.ndarray  # int64 (N,)
    test: np.ndarray | None  # bool (N,) if folders say which are the test split
    left_out: LeftOut
    notes: tuple[str, ...]


def group_images(source: Source) -> GroupedImages:
    """A source's images grouped by their folders; raises DataError if there are none, with what is there instead."""
    if not source.names:
        raise DataError(no_images(source))
    left_out = LeftOut()
    left_out.update(source.left_out)
    groups: Layout = getattr(source, "groups", None) or layout(source.names)
    for row, reason in groups.left_out.items():
        left_out.add(source.names[row], reason)
    used = groups.labels >= 0
    names = source.names if used.all() else [source.names[row] for row in np.flatnonzero(used).tolist()]
    notes = groups.notes
    if linked := getattr(source, "linked", 0):
        notes += (f"{linked:,} images are links to files outside the folder",)
    test = None if groups.test is None else groups.test[used]
    return GroupedImages(names, groups.classes, groups.labels[used], test, left_out, notes)


def no_images(source: Source) -> str:
    """Error message: the source holds no images, and what it holds instead."""
    others = "; ".join(source.left_out.lines())
    text = f"{source.title} holds no pictures (files ending in {join_suffixes(image_files.SUFFIXES)})"
    return f"{text}. It holds: {others}" if others else text


def join_suffixes(suffixes: Sequence[str]) -> str:
    """Suffixes as part of a sentence: "png, jpg or gif"."""
    plain = [suffix.removeprefix(".") for suffix in suffixes]
    return ", ".join(plain[:-1]) + f" or {plain[-1]}"


def read_all(
    source: Source, names: Sequence[str], size: int, channels: int, background: Background | None = None
) -> Iterator[tuple[str, np.ndarray | DataError]]:
    """Each name with its image or the error, in order; decoded on several threads (Pillow releases the GIL)."""
    read = partial(_try, source, size=size, channels=channels, background=background)
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1), "pictures") as pool:
        for start in range(0, len(names), _BLOCK):
            block = names[start : start + _BLOCK]
            yield from zip(block, pool.map(read, block), strict=True)


def _try(
    source: Source, name: str, *, size: int, channels: int, background: Background | None
) -> np.ndarray | DataError:
    try:
        if background is None:
            return source.read(name, size, channels)
        return source.read(name, size, channels, background)
    except DataError as error:
        return error
