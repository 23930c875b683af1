"""Images in the arrays of .npz, CSV or idx files as a source: labels and splits follow from the arrays' names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from genmodels.data.formats import csv_images, image_files
from genmodels.data.formats.background import Background
from genmodels.data.left_out import LeftOut, printable
from genmodels.data.own.layouts import MAX_CLASSES, Layout, split_of, words_of
from genmodels.errors import DataError

_IMAGE_WORDS = frozenset(("x", "images", "image", "imgs", "img", "data", "pictures", "features"))
_LABEL_WORDS = frozenset(("y", "labels", "label", "targets", "target", "classes", "class"))
_BLOCK = 4_096  # images converted at a time
_ROUNDING = 2e-3  # tolerance for 16-bit values near 1 and interpolated 32-bit values near 255
_UNUSED = "arrays that are neither images nor the labels of images"
_UNLABELLED = "images without a label, while others have one"


@dataclass(frozen=True)
class Part:
    """images uint8 (N, H, W) or (N, H, W, 3); labels int64 (N,) or None; `test`: they are the test split."""

    title: str
    images: np.ndarray
    labels: np.ndarray | None
    test: bool


class ArraySource:
    """The images of several parts as one source."""

    def __init__(self, title: str, parts: Sequence[Part], left_out: LeftOut, classes: Sequence[str] = ()) -> None:
        self.title, self.left_out = title, left_out
        self._parts = {part.title: part for part in parts}
        self.names: Sequence[str] = [f"{part.title}/{row}" for part in parts for row in range(len(part.images))]
        self.groups = _groups(parts, classes)

    def read(self, name: str, size: int, channels: int, background: Background | None = None) -> np.ndarray:
        title, _, row = name.rpartition("/")
        return image_files.fit_array(self._parts[title].images[int(row)], size, channels)


def _groups(parts: Sequence[Part], names: Sequence[str]) -> Layout:
    count = sum(len(part.images) for part in parts)
    test = np.concatenate([np.full(len(part.images), part.test) for part in parts])
    held_out = test if 0 < np.count_nonzero(test) < count else None
    values = np.unique(np.concatenate([part.labels for part in parts if part.labels is not None] or [np.empty(0)]))
    labels = np.zeros(count, np.int64)
    if len(values) > MAX_CLASSES:
        note = f"without labels: they have {len(values):,} values, and at most {MAX_CLASSES:,} classes are allowed"
        return Layout((), labels, held_out, notes=(note,))
    if len(values) < 2:
        return Layout((), labels, held_out)
    start = 0
    for part in parts:
        indices = np.full(len(part.images), -1) if part.labels is None else np.searchsorted(values, part.labels)
        labels[start : start + len(indices)] = indices
        start += len(indices)
    named = len(names) > int(values[-1]) and int(values[0]) >= 0
    classes = tuple(printable(names[int(value)]) if named else str(int(value)) for value in values)
    left_out = dict.fromkeys(np.flatnonzero(labels < 0).tolist(), _UNLABELLED)
    return Layout(classes, labels, held_out, left_out)


def of_arrays(title: str, arrays: Mapping[str, np.ndarray], left_out: LeftOut) -> tuple[list[Part], tuple[str, ...]]:
    """The images of a .npz file by split, with their labels, and the names of the classes if it has them.

    Understands x_train, y_train, x_test and y_test (Keras), train_images and train_labels, images and labels, arr_0 and
    arr_1, and similar names. An array that is not used is counted in `left_out`. Raises DataError.
    """
    texts = {key: array for key, array in arrays.items() if array.dtype.kind in "US" and array.ndim == 1}
    numbers = {key: array for key, array in arrays.items() if array.dtype.kind not in "US"}
    shaped = {key: images for key, array in numbers.items() if (images := _as_images(key, array)) is not None}
    parts: list[Part] = []
    used: set[str] = set()
    # Of two arrays of images for one split, the one with a name for images comes first.
    for key in sorted(shaped, key=lambda key: (not _words(key) & _IMAGE_WORDS, key)):
        split = _split(key)
        if any(_split(other) == split for other in used):
            continue
        images = shaped[key]
        label = _label_of(split, len(images), {other: numbers[other] for other in numbers if other not in shaped})
        labels = None if label is None else numbers[label].reshape(-1).astype(np.int64)
        mark = split_of(split)
        parts.append(Part(f"{key} in {title}", to_bytes(images, f"{title}: {key}"), labels, bool(mark and mark[0])))
        used |= {key} | ({label} if label is not None else set())
    names = next((key for key in texts if _words(key) & {"classes", "class", "names", "categories"}), None)
    for key in arrays:
        if key not in used and key != names:
            left_out.add(f"{title}: {key}", _UNUSED)
    if not parts:
        present = ", ".join(f"{printable(key)} {array.shape}" for key, array in list(arrays.items())[:8])
        raise DataError(
            f"{title} has no array of images, such as x_train (images, 28, 28); it holds {present or 'none'}"
        )
    return parts, () if names is None else tuple(str(name)[:200] for name in texts[names])


def _words(key: str) -> set[str]:
    return set(words_of(key))


def _split(key: str) -> str:
    """The word in an array's name that says its split, or an empty string."""
    return next((word for word in sorted(_words(key)) if split_of(word) is not None), "")


def _label_of(split: str, count: int, others: Mapping[str, np.ndarray]) -> str | None:
    candidates = [
        key
        for key, array in others.items()
        if array.dtype.kind in "iu" and array.size == count and array.shape[:1] == (count,) and _split(key) == split
    ]
    named = [key for key in candidates if _words(key) & _LABEL_WORDS or key == "arr_1"]
    return min(named) if named else None


def _as_images(key: str, array: np.ndarray) -> np.ndarray | None:
    """The array as (N, H, W) or (N, H, W, 3), not copied; None if it has another shape."""
    if not len(array.shape) or not array.size or _words(key) & _LABEL_WORDS:
        return None
    shape = array.shape
    if len(shape) == 2:
        flat = csv_images.shape_of(shape[1])
        if flat is None:
            return None
        # Rows of colour images hold one channel after the other, as in CIFAR-10.
        return array.reshape(-1, *flat) if len(flat) == 2 else array.reshape(-1, 3, *flat[:2]).transpose(0, 2, 3, 1)
    if len(shape) == 4 and shape[3] == 1:
        return array[..., 0]
    if len(shape) == 4 and shape[1] == 1:
        return array[:, 0]
    if len(shape) == 4 and shape[1] == 3 and shape[3] != 3:
        return array.transpose(0, 2, 3, 1)
    return array if len(shape) == 3 or (len(shape) == 4 and shape[3] == 3) else None


def to_bytes(images: np.ndarray, title: str) -> np.ndarray:
    """The images as uint8. The input ranges from 0 to 1, from -1 to 1, from 0 to 255, or, with 16 bits, to 65,535.

    Raises DataError for other ranges, such as values normalised by an unknown mean and standard deviation.
    """
    if not images.size:
        raise DataError(f"{title} has shape {images.shape}, so it holds no image")
    if images.dtype == np.bool_:
        return images.astype(np.uint8) * 255
    blocks = range(0, len(images), _BLOCK)
    lows, highs = zip(*((images[at : at + _BLOCK].min(), images[at : at + _BLOCK].max()) for at in blocks), strict=True)
    low, high = _rounded_to_bound(float(np.min(lows))), _rounded_to_bound(float(np.max(highs)))
    finite, real = bool(np.isfinite([low, high]).all()), images.dtype.kind == "f"
    if not finite or low < -1 or high > (1 if low < 0 else 255 if real else 65_535):
        raise DataError(f"{title} has values from {low:g} to {high:g}; 0 to 255, 0 to 1 or -1 to 1 are expected")
    if images.dtype == np.uint8 and high > 1:
        return images
    shift, scale = (1.0, 127.5) if low < 0 else (0.0, 255.0) if high <= 1 else (0.0, 1.0 if high <= 255 else 1 / 257)
    converted = np.empty(images.shape, np.uint8)
    for at in blocks:
        block = (images[at : at + _BLOCK].astype(np.float32) + shift) * scale
        converted[at : at + _BLOCK] = block.round().clip(0, 255)
    return converted


def _rounded_to_bound(value: float) -> float:
    """-1, 0, 1 or 255 for a value within a rounding error of it: 1.0001 is white, not a grey level of 255."""
    return next((bound for bound in (-1.0, 0.0, 1.0, 255.0) if abs(value - bound) < _ROUNDING), value)
