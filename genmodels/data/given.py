"""A file named on the command line: read up to its kind's bound, decoded, and named where it is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from genmodels.errors import DataError

T = TypeVar("T")


def decoded(path: Path, most: int, decode: Callable[[bytes], T]) -> T:
    """`decode` of the file's bytes, of at most one more than `most`, which `decode` refuses; raises DataError."""
    try:
        with path.open("rb") as file:
            raw = file.read(most + 1)
    except OSError as error:
        raise DataError(f"{str(path)!r} cannot be read: {error}") from error
    try:
        return decode(raw)
    except DataError as error:
        raise DataError(f"{str(path)!r} cannot be used: {error}") from error
