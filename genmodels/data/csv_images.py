"""Reads images from CSV: one image per line, a label and its grey levels, as the MNIST files of the GAN book have it.

With or without a header; without labels; or with the label in another column, if the header names it.
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
_WIDTH = "lines with another number of values than the first one"
_VALUES = "lines with values that are no grey levels from 0 to 255"


@dataclass(frozen=True)
class _Columns:
    """How many values a line has, which is the label (None: none), and the shape of the image that the others make."""

    width: int
    label: int | None
    shape: tuple[int, ...]

    @classmethod
    def of(cls, first: bytes, title: str) -> tuple[_Columns, bool]:
        """From the first line, and whether that is a header; raises DataError."""
        fields = first.split(b",")
        numbers = sum(_NUMBER.fullmatch(field) is not None for field in fields)
        # Most fields of an image's line are numbers, also if one of them is damaged; columns may be called 0, 1, ...
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
    """Height, width and, of colour, 3 of a square image of so many values; None if there is no such image."""
    for channels in ((), (3,)):
        side = math.isqrt(values // math.prod(channels))
        if side >= _MIN_SIDE and math.prod((side, side, *channels)) == values:
            return (side, side, *channels)
    return None


def read(
    file: BinaryIO, title: str, left_out: LeftOut, most: int = MAX_ARRAY_BYTES
) -> tuple[np.ndarray, np.ndarray | None]:
    """Images uint8 (N, H, W) or (N, H, W, 3) and labels int64 (N,) or None, from at most `most` bytes of text.

    A line that cannot be used is counted in `left_out`. Raises DataError if the lines are no images, or too many.
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
        good = ((pixels >= 0) & (pixels <= 255)).all(axis=1)
        for row in rows[~good].tolist():
            left_out.add(f"{title}: line {row}", _VALUES)
        if columns.label is not None:
            labels.append(values[good, columns.label])
        images.append(pixels[good].astype(np.uint8).reshape(-1, *columns.shape))
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
    """Whole lines, some megabytes at a time."""
    rest, total = b"", 0
    while read := file.read(_BLOCK):
        total += len(read)
        if total > most:
            raise DataError(f"{title} unpacks to more than {most / 1e6:,.0f} MB, the limit; split it")
        lines, newline, tail = (rest + read).rpartition(b"\n")
        if len(tail) > _MAX_LINE:
            raise DataError(f"{title} has a line of more than {_MAX_LINE / 1e6:.0f} MB; it is no table of images")
        if newline:
            yield lines
        rest = tail
    if rest:
        yield rest


def _values(
    lines: Sequence[tuple[int, bytes]], width: int, title: str, left_out: LeftOut
) -> tuple[np.ndarray, np.ndarray]:
    """The numbers of the lines that can be used, and their values, int64 (n,) and (n, width).

    All are parsed at once if all are sound, else one by one.
    """
    rows, sound = [], []
    for row, line in lines:
        if line.count(b",") == width - 1:
            rows.append(row)
            sound.append(line)
        else:
            left_out.add(f"{title}: line {row}", _WIDTH)
    values = _parsed(b",".join(sound))
    if len(values) != width * len(sound):
        each = [_parsed(line) for line in sound]
        for row, found in zip(rows, each, strict=True):
            if len(found) != width:
                left_out.add(f"{title}: line {row}", _VALUES)
        rows = [row for row, found in zip(rows, each, strict=True) if len(found) == width]
        values = np.concatenate([np.empty(0, np.int64), *(found for found in each if len(found) == width)])
    return np.array(rows, np.int64), values.reshape(-1, width)


def _parsed(text: bytes) -> np.ndarray:
    """The whole numbers of a text, none if one of them is no number. Eight times as fast as splitting the text."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", DeprecationWarning)  # older NumPy only warns of what is no number
            return np.fromstring(text.decode("latin-1"), np.int64, sep=",")
    except (ValueError, DeprecationWarning):
        return np.empty(0, np.int64)
