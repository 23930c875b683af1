"""Requests of the data page: list the data sets, show one, upload and delete the user's.

Uses numpy on the caller's thread and runs no model. Splits stay in a small cache, so the next page of samples costs
milliseconds instead of a second of unpacking.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image
from pydantic import Field

from genmodels import data
from genmodels.config import Frozen
from genmodels.data import DataConfig, DataSpec, Split, uploaded_sets
from genmodels.data.upload import (
    MAX_FILES,
    MAX_UPLOAD_BYTES,
    SIZES,
    Upload,
    UploadReport,
    UploadSettings,
    kind_of,
    pack,
)
from genmodels.errors import ConfigError, DataError, GenmodelsError, UnknownNameError
from genmodels.public import public_mode
from genmodels.service.datasets.splits import CachedSplit, Entry, Tile, cached_split

__all__ = [
    "MAX_FILES",
    "MAX_SHUFFLE",
    "MAX_UPLOAD_BYTES",
    "MEAN_CLASSES",
    "SIZES",
    "TILES",
    "Entry",
    "Sheet",
    "SheetRequest",
    "Tile",
    "Upload",
    "UploadReport",
    "UploadSettings",
    "class_counts",
    "find",
    "kind_of",
    "listing",
    "mean_images",
    "page_count",
    "prepare",
    "remove",
    "sheet",
    "upload",
]

TILES, MAX_SHUFFLE = 48, 999_999
_MEAN_BYTES, MEAN_CLASSES = 48 * 2**20, 20
_THUMBNAIL = 112  # pixels per side: 48 thumbnails stay under 300 kB


class SheetRequest(Frozen):
    """One page of samples."""

    name: str = Field(min_length=1, max_length=200, description="short name of the data set")
    split: Split = "train"
    label: int | None = Field(None, ge=0, lt=1_000, description="this class only; empty for all")
    shuffle: int = Field(0, ge=0, le=MAX_SHUFFLE, description="0 for the set's order, else a seed")
    page: int = Field(0, ge=0, description="page number from 0; numbers after the last page give the last page")


@dataclass(frozen=True)
class Sheet:
    """`count` images match, on `pages` pages; `looked_at` were read, `partial`: they are not the whole split."""

    tiles: tuple[Tile, ...]
    page: int
    pages: int
    count: int
    looked_at: int
    partial: bool


# --------------------------------------------------------------------- data sets and their samples


def listing() -> tuple[Entry, ...]:
    """All data sets that a training can choose by name, the user's last. Reads headers only."""
    return tuple(find(name) for name in (*data.names(), *uploaded_sets.names()))


def find(name: str) -> Entry:
    """The data set of this short name; raises UnknownNameError."""
    if name in data.names():
        config = DataConfig(name=name)
        return Entry(name, config, False, data.get_spec(config), data.missing(config))
    if name not in uploaded_sets.names():
        raise UnknownNameError("data set", name, (*data.names(), *uploaded_sets.names()))
    config = uploaded_sets.config_of(name)
    try:
        return Entry(name, config, True, data.get_spec(config), None)
    except GenmodelsError as error:
        return Entry(name, config, True, None, str(error))


def prepare(name: str) -> None:
    """Load both splits into the cache: decoding thousands of files may take seconds, later requests milliseconds."""
    entry = find(name)
    for split in _splits(entry):
        cached_split(entry, split)


def class_counts(name: str) -> dict[Split, tuple[int, ...]]:
    """Examples of each class in both splits; empty without classes. Raises DataError."""
    entry = find(name)
    counts: dict[Split, tuple[int, ...]] = {}
    for split in _splits(entry):
        labels, spec = cached_split(entry, split).labels, _spec(entry)
        counts[split] = tuple(np.bincount(labels, minlength=spec.num_classes).tolist())
    return counts if _spec(entry).num_classes else {}


def page_count(request: SheetRequest) -> int:
    """Number of pages of matching samples, at least 1; raises as `sheet` does, decodes nothing."""
    _, rows = _matching(request, _spec(find(request.name)))
    return max(1, -(-len(rows) // TILES))


def sheet(request: SheetRequest) -> Sheet:
    """One page of at most TILES samples; raises UnknownNameError, ConfigError or DataError."""
    spec = _spec(find(request.name))
    cached, matching = _matching(request, spec)
    if request.shuffle:
        matching = np.random.default_rng(request.shuffle).permutation(matching)
    pages = max(1, -(-len(matching) // TILES))
    page = min(request.page, pages - 1)
    rows = matching[page * TILES : (page + 1) * TILES]
    tiles = tuple(
        Tile(*_encoded(pixels), spec.classes[cached.labels[row]] if spec.classes else None, int(row))
        for row, pixels in zip(rows, cached.images(rows), strict=True)
    )
    size = spec.train_size if request.split == "train" else spec.test_size
    return Sheet(tiles, page, pages, len(matching), len(cached.labels), len(cached.labels) < size)


def _matching(request: SheetRequest, spec: DataSpec) -> tuple[CachedSplit, np.ndarray]:
    """The split, and the rows of the requested class."""
    if request.label is not None and request.label >= spec.num_classes:
        raise ConfigError(
            f"label = {request.label} does not exist: {spec.title} has {spec.num_classes} classes, counted from 0"
        )
    cached = cached_split(find(request.name), request.split)
    if request.label is None:
        return cached, np.arange(len(cached.labels))
    return cached, np.flatnonzero(cached.labels == request.label)


def mean_images(name: str) -> tuple[Tile, ...]:
    """The mean training image per class (of all images, without classes), computed from at most 48 MB of images.

    `number` is the number of images averaged. Classes after the twentieth, and empty ones, are left out.
    """
    entry = find(name)
    spec, cached = _spec(entry), cached_split(entry, "train")
    if cached.means is None:
        image_bytes = int(np.prod(cached.images(np.arange(1)).shape))  # of recordings, their spectrograms
        first = np.arange(min(len(cached.labels), _MEAN_BYTES // image_bytes, cached.most))
        images, labels = cached.images(first), cached.labels[first]
        means = []
        for index in range(min(max(1, spec.num_classes), MEAN_CLASSES)):
            of_class = images[labels == index] if spec.classes else images
            if len(of_class):
                mean = of_class.mean(0, dtype=np.float32).round().astype(np.uint8)
                means.append(Tile(*_encoded(mean), spec.classes[index] if spec.classes else None, len(of_class)))
        cached.means = tuple(means)
    return cached.means


# --------------------------------------------------------------------- the user's data sets


def upload(
    uploads: Sequence[Upload], settings: UploadSettings, on_progress: Callable[[int, int], None] | None = None
) -> UploadReport:
    """Check and decode an upload in a subprocess and pack it as a data set of the user, completely or not at all.

    Raises ConfigError if the name cannot be used, DataError if the upload cannot, GenmodelsError on a public server.
    """
    _refuse_in_public_mode("uploading pictures")
    return pack(uploads, settings, on_progress)


def remove(name: str) -> None:
    """Delete a user's set permanently; raises UnknownNameError, DataError, and GenmodelsError on a public server."""
    _refuse_in_public_mode("deleting a data set")
    uploaded_sets.remove(name)


def _refuse_in_public_mode(what: str) -> None:
    if public_mode():
        raise GenmodelsError(
            f"{what} is switched off on this public server (GENMODELS_PUBLIC is set). "
            "Run Genmodels Studio on your own machine to upload your own pictures"
        )


def _spec(entry: Entry) -> DataSpec:
    if entry.spec is None or entry.problem:
        raise DataError(entry.problem or f"{entry.name} cannot be read")
    return entry.spec


def _splits(entry: Entry) -> tuple[Split, ...]:
    return ("train", "test") if _spec(entry).test_size else ("train",)


def _encoded(pixels: np.ndarray) -> tuple[bytes, str]:
    """An image uint8 (C, H, W) encoded for the browser, reduced if it is large: the bytes and their type."""
    image = Image.fromarray(pixels[0] if len(pixels) == 1 else np.ascontiguousarray(pixels.transpose(1, 2, 0)))
    if max(image.size) > _THUMBNAIL:
        image.thumbnail((_THUMBNAIL, _THUMBNAIL), Image.Resampling.LANCZOS)
    kind = "jpeg" if image.width * image.height * len(pixels) > 8_192 else "png"
    buffer = io.BytesIO()
    image.save(buffer, kind.upper(), **({"quality": 88} if kind == "jpeg" else {"compress_level": 1}))
    return buffer.getvalue(), kind
