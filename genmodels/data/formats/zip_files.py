"""Limits of untrusted zip files, and a check of their directories before `zipfile` reads them."""

from __future__ import annotations

import lzma
import math
import os
import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from genmodels.errors import DataError

# What zipfile raises for damaged and hostile archives, found by fuzzing.
ZIP_ERRORS = (
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


@dataclass(frozen=True)
class Limits:
    """Limits of what a source may hold."""

    entries: int = 500_000
    total_bytes: int = 32 * 2**30
    ratio: float = math.inf
    """Highest compression ratio of an entry above a megabyte."""


LOCAL = Limits()
UPLOAD = Limits(entries=50_000, total_bytes=2 * 2**30, ratio=200)


def check_directory(file: Path | BinaryIO, limits: Limits) -> None:
    """Raise DataError for a directory of millions of entries before zipfile creates an object for each."""
    if isinstance(file, Path):
        with file.open("rb") as opened:
            return check_directory(opened, limits)
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
        at = large
    most = limits.entries * 300  # 46 bytes and a long name per entry
    if size > most:
        raise DataError(f"the zip's directory is {size / 1e6:,.0f} MB; the limit is {limits.entries:,} files")
    file.seek(max(0, end - len(tail) + at - size))
    count = file.read(size).count(b"PK\1\2")
    file.seek(0)
    if count > 2 * limits.entries:  # includes folders and system files, which do not count later
        raise DataError(f"the zip's directory has {count:,} entries; the limit is {limits.entries:,} files")
    return None
