"""Reads the arrays of a NumPy .npz file: nothing is unpickled, and sizes are checked before an array is read.

A 200 kB archive may claim gigabytes, and an array of Python objects may run any code when it is unpickled.
"""

from __future__ import annotations

import math
import tokenize
import zipfile
from typing import BinaryIO

import numpy as np

from genmodels.data.formats.zip_files import ZIP_ERRORS, Limits, check_directory
from genmodels.data.left_out import LeftOut, is_system_file, printable
from genmodels.data.spec import MAX_ARRAY_BYTES
from genmodels.errors import DataError

_MAX_ARRAYS, _MAX_HEADER = 200, 10_000
# NumPy passes the header to Python's parser, which raises some of these.
_ERRORS = (*ZIP_ERRORS, SyntaxError, tokenize.TokenError, TypeError, MemoryError)
_OBJECTS = "arrays of Python objects, which are never unpickled; save them as numbers"


def arrays(file: BinaryIO, title: str, limits: Limits, left_out: LeftOut) -> dict[str, np.ndarray]:
    """The arrays of numbers and strings by name; the others are counted in `left_out`. Raises DataError."""
    try:
        check_directory(file, limits)
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
            total, most = sum(entry.file_size for entry in entries), min(limits.total_bytes, MAX_ARRAY_BYTES)
            if len(entries) > _MAX_ARRAYS or total > most:
                raise DataError(
                    f"{title} holds {len(entries):,} arrays of {total / 1e6:,.0f} MB; the limit is {_MAX_ARRAYS} of "
                    f"{most / 1e6:,.0f} MB. Save a part of it"
                )
            arrays_by_name = {}
            for entry in entries:
                array = _array(archive, entry, title, left_out)
                if array is not None:
                    arrays_by_name[entry.filename.removesuffix(".npy")] = array
            return arrays_by_name
    except _ERRORS as error:
        raise DataError(f"{title} cannot be read as .npz: {error or type(error).__name__}. Save it again") from error


def _array(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, title: str, left_out: LeftOut) -> np.ndarray | None:
    name = f"{title}: {entry.filename}"
    if is_system_file(entry.filename):
        left_out.ignored += 1
        return None
    if not entry.filename.endswith(".npy"):
        left_out.add(name, "entries that are not arrays")
        return None
    with archive.open(entry) as stream:
        version = np.lib.format.read_magic(stream)
        if version not in ((1, 0), (2, 0)):
            raise DataError(f"{printable(name)} is in version {version} of NumPy's format; 1.0 and 2.0 are read")
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = read(stream, max_header_size=_MAX_HEADER)
        if dtype.hasobject:
            left_out.add(name, _OBJECTS)
            return None
        if dtype.kind not in "buifUS":
            left_out.add(name, "arrays of neither numbers nor strings")
            return None
        size = math.prod(shape) * dtype.itemsize
        if min(shape, default=0) < 0 or size > entry.file_size:
            raise DataError(f"{printable(name)} claims shape {shape}, {size:,} bytes, but holds {entry.file_size:,}")
        raw = stream.read(size)
    if len(raw) != size:
        raise DataError(f"{printable(name)} ends after {len(raw):,} of {size:,} bytes; save it again")
    return np.frombuffer(raw, dtype).reshape(shape, order="F" if fortran else "C")
