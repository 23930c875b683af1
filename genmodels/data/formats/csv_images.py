"""Reads images from CSV: one image per line, a label and its grey levels, as in the MNIST files of the GAN book.

The header and the labels are optional; the label may be in another column if the header names it.
"""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from genmodels.data.left_out import LeftOut
from genmodels.data.spec import MAX_ARRAY_BYTES
from genmodels.errors import DataError

MAX_ROWS = 500_000
_BLOCK, _MAX_LINE, _MIN_SIDE = 4 * 2**20, 2**20, 4
_NUMBER = re.compile(rb"\s*-?\d+\s*")
_LABELS = (b"label", b"labels", b"class", b"target", b"y", b"digit")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_WIDTH = "lines with another number of values than the first line"
_VALUES = "lines with values that are not grey levels from 0 to 255"


@dataclass(frozen=True)
class _Columns:
    """Number of values per line, the index of the label or None, and the shape of the image of the other values."""

    width: int
    label: int | None
    shape: tuple[int, ...]

    @classmethod
    def of(cls, first: bytes, title: str) -> tuple[_Columns, bool]:
        """The columns, from the first line, and whether that line is a header; raises DataError."""
        fields = first.split(b",")
        numbers = sum(_NUMBER.fullmatch(field) is not None for field in fields)
        # Most fields of an image's line are numbers, even if one is damaged; columns may be called 0, 1, ...
        header = 2 * numbers < len(fields) or (numbers < len(fields) and _names_a_label(fields))
        named = [row for row, field in enumerate(fields) if field.strip().lower() in _LABELS] if header else []
        guesses = [named[0]] if len(named) == 1 else [0, None]
        for label in guesses:
            shape = shape_of(len(fields) - (label is not None))
            if shape is not None:
                return cls(len(fields), label, shape), header
        raise DataError(
            f"{title} has {len(fields):,} values per line; a label and the {28 * 28} grey levels of 28 x 28 pixels, or "
            "another square image, are expected, separated by commas"
        )


def _names_a_label(fields: Sequence[bytes]) -> bool:
    return any(field.strip().lower() in _LABELS for field in fields)


def shape_of(values: int) -> tuple[int, ...] | None:
    """Shape of a square image of so many values: (H, W) or (H, W, 3); None if there is none."""
    for channels in ((), (3,)):
        side = math.isqrt(values // math.prod(channels))
        if side >= _MIN_SIDE and math.prod((side, side, *channels)) == values:
            return (side, side, *channels)
    return None


def read(
    file: BinaryIO, title: str, left_out: LeftOut, most: int = MAX_ARRAY_BYTES
) -> tuple[np.ndarray, np.ndarray | None]:
    """Images uint8 (N, H, W) or (N, H, W, 3) and labels int64 (N,) or None, from at most `most` bytes of text.

    A line that cannot be used is counted in `left_out`. Raises DataError if no line is an image, or there are too many.
    """
    columns: _Columns | None = None
    images: list[np.ndarray] = []
    labels: list[np.ndarray] = []
    number = 0
    for block in _blocks(file, title, most):
        text = block.removeprefix(_BYTE_ORDER_MARK) if number == 0 else block
        lines = text.replace(b"\r", b"").replace(b'"', b"").split(b"\n")
        numbered = [(row, line) for row, line in enumerate(lines, number + 1) if line.strip()]
        number += len(lines)
        if columns is None and numbered:
            columns, header = _Columns.of(numbered[0][1], title)
            numbered = numbered[header:]
        if columns is None or not numbered:
            continue
        rows, values = _values(numbered, columns.width, title, left_out)
        pixels = values if columns.label is None else np.delete(values, columns.label, axis=1)
        valid = ((pixels >= 0) & (pixels <= 255)).all(axis=1)
        for row in rows[~valid].tolist():
            left_out.add(f"{title}: line {row}", _VALUES)
        if columns.label is not None:
            labels.append(values[valid, columns.label])
        images.append(pixels[valid].astype(np.uint8).reshape(-1, *columns.shape))
        if sum(map(len, images)) > MAX_ROWS:
            raise DataError(f"{title} holds more than {MAX_ROWS:,} images, the limit; split it")
    if columns is None or not sum(map(len, images)):
        why = "; ".join(left_out.lines())
        raise DataError(
            f"{title} holds no image{f' ({why})' if why else ''}; a line of comma-separated whole numbers per image is "
            "expected"
        )
    return np.concatenate(images), np.concatenate(labels) if columns.label is not None else None


def _blocks(file: BinaryIO, title: str, most: int) -> Iterator[bytes]:
    """Complete lines, some megabytes at a time."""
    rest, total = b"", 0
    while read := file.read(_BLOCK):
        total += len(read)
        if total > most:
            raise DataError(f"{title} unpacks to more than {most / 1e6:,.0f} MB, the limit; split it")
        lines, newline, tail = (rest + read).rpartition(b"\n")
        if len(tail) > _MAX_LINE:
            raise DataError(f"{title} has a line of more than {_MAX_LINE / 1e6:.0f} MB; it is not a table of images")
        if newline:
            yield lines
        rest = tail
    if rest:
        yield rest


def _values(
    lines: Sequence[tuple[int, bytes]], width: int, title: str, left_out: LeftOut
) -> tuple[np.ndarray, np.ndarray]:
    """The numbers of the lines that can be used, and their values, int64 (n,) and (n, width).

    All lines are parsed at once; if that fails, one by one.
    """
    rows, complete = [], []
    for row, line in lines:
        if line.count(b",") == width - 1:
            rows.append(row)
            complete.append(line)
        else:
            left_out.add(f"{title}: line {row}", _WIDTH)
    values = _parsed(b",".join(complete))
    if len(values) != width * len(complete):
        each = [_parsed(line) for line in complete]
        for row, line_values in zip(rows, each, strict=True):
            if len(line_values) != width:
                left_out.add(f"{title}: line {row}", _VALUES)
        rows = [row for row, line_values in zip(rows, each, strict=True) if len(line_values) == width]
        values = np.concatenate(
            [np.empty(0, np.int64), *(line_values for line_values in each if len(line_values) == width)]
        )
    return np.array(rows, np.int64), values.reshape(-1, width)


def _parsed(text: bytes) -> np.ndarray:
    """The integers of a text, none if one is not a number. Eight times as fast as splitting the text."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", DeprecationWarning)  # older NumPy only warns about what is not a number
            return np.fromstring(text.decode("latin-1"), np.int64, sep=",")
    except (ValueError, DeprecationWarning):
        return np.empty(0, np.int64)
