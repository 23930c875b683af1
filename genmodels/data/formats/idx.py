"""Reads idx files, the format of MNIST."""

from __future__ import annotations

import gzip
import math
import zipfile
import zlib
from collections.abc import Callable
from typing import BinaryIO

import numpy as np

from genmodels.errors import DataError


def read(opened: Callable[[], BinaryIO], title: str, axes: int, most: int) -> np.ndarray:
    """The array of an idx file of bytes with `axes` axes, gzipped or not, of at most `most` bytes; raises DataError."""
    header = 4 + 4 * axes
    try:
        with opened() as file:
            start = file.read(2)
        with opened() as file, gzip.GzipFile(fileobj=file) if start == b"\x1f\x8b" else file as stream:
            head = stream.read(header)
            if len(head) < header or head[:4] != bytes((0, 0, 8, axes)):
                raise DataError(f"{title} is no idx file of bytes with {axes} axes; fetch it again")
            shape = tuple(int.from_bytes(head[at : at + 4], "big") for at in range(4, header, 4))
            size = math.prod(shape)
            if size > most:
                raise DataError(f"{title} claims shape {shape}; the limit is {most / 1e6:,.0f} MB")
            raw = stream.read(size + 1)
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile) as error:  # BadZipFile: of a file inside a zip
        raise DataError(f"{title} cannot be read: {error}. Fetch it again") from error
    if len(raw) != size:
        raise DataError(f"{title} is damaged: its header claims shape {shape}, but the file has another size")
    return np.frombuffer(raw, np.uint8).reshape(shape)
