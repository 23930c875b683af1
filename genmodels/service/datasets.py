"""The data page's requests: what sets there are, what is in one, and taking in a user's own.

Numpy only and on the caller's thread: nothing here runs a model. What is read stays for the next request, within
bounds, so that turning a page costs milliseconds and not a second of unpacking.
"""

from __future__ import annotations

import io
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from pydantic import Field

from genmodels import data
from genmodels.config import Frozen
from genmodels.data import DataConfig, DataSpec, Split, hdf5, intake, own
from genmodels.data.intake import MAX_FILES, MAX_UPLOAD_BYTES, SIZES, Taken, Upload, Wanted, kind_of
from genmodels.data.sets import fsdd_spectrograms
from genmodels.data.sources import Listed
from genmodels.errors import ConfigError, DataError, GenmodelsError, UnknownNameError
from genmodels.public import public_mode

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
    "Taken",
    "Tile",
    "Upload",
    "Wanted",
    "bring",
    "class_counts",
    "find",
    "kind_of",
    "listing",
    "mean_pictures",
    "page_count",
    "prepare",
    "remove",
    "sheet",
]

TILES, MAX_SHUFFLE = 48, 999_999
_DECODED = 2_000  # pictures read at most of a set that is decoded one by one, 1 ms each
_MEAN_BYTES, MEAN_CLASSES = 48 * 2**20, 20
_THUMBNAIL = 112  # pixels a side at most: 48 of them stay under 300 kB in the page's message
_SHELVES = 4


@dataclass(frozen=True)
class Entry:
    """One data set: `spec` is None where its file is damaged; `problem` says why it cannot be loaded now."""

    name: str
    config: DataConfig
    own: bool
    spec: DataSpec | None
    problem: str | None


class SheetRequest(Frozen):
    """One page of samples."""

    name: str = Field(min_length=1, max_length=200, description="short name of the data set")
    split: Split = "train"
    label: int | None = Field(None, ge=0, lt=1_000, description="this class only; empty takes all")
    shuffle: int = Field(0, ge=0, le=MAX_SHUFFLE, description="0 keeps the set's order, else a seed")
    page: int = Field(0, ge=0, description="counted from 0; a page behind the last one is the last one")


@dataclass(frozen=True)
class Tile:
    """One picture as PNG or JPEG, its class, and its number in the split."""

    image: bytes
    kind: str
    label: str | None
    number: int


@dataclass(frozen=True)
class Sheet:
    """`count` pictures match, on `pages` pages; `looked_at` were read, `partial` where that is not the whole split."""

    tiles: tuple[Tile, ...]
    page: int
    pages: int
    count: int
    looked_at: int
    partial: bool


# --------------------------------------------------------------------- what there is


def listing() -> tuple[Entry, ...]:
    """All sets a training can choose by name, the user's own last. Reads headers only."""
    return tuple(find(name) for name in (*data.names(), *own.names()))


def find(name: str) -> Entry:
    """The set of this short name; raises UnknownNameError."""
    if name in data.names():
        config = DataConfig(name=name)
        return Entry(name, config, False, data.get_spec(config), data.missing(config))
    if name not in own.names():
        raise UnknownNameError("data set", name, (*data.names(), *own.names()))
    config = own.config_of(name)
    try:
        return Entry(name, config, True, data.get_spec(config), None)
    except GenmodelsError as error:
        return Entry(name, config, True, None, str(error))


def prepare(name: str) -> None:
    """Have both splits at hand: decoding thousands of files may take seconds, all later requests milliseconds."""
    entry = find(name)
    for split in _splits(entry):
        _shelf(entry, split)


def class_counts(name: str) -> dict[Split, tuple[int, ...]]:
    """Examples of each class in both splits; empty without classes. Raises DataError."""
    entry = find(name)
    counts: dict[Split, tuple[int, ...]] = {}
    for split in _splits(entry):
        shelf, spec = _shelf(entry, split), _spec(entry)
        counts[split] = tuple(np.bincount(shelf.labels, minlength=spec.num_classes).tolist())
    return counts if _spec(entry).num_classes else {}


def page_count(request: SheetRequest) -> int:
    """Pages of samples that match, at least 1; raises as `sheet` does, decodes nothing."""
    _, found = _matching(request, _spec(find(request.name)))
    return max(1, -(-len(found) // TILES))


def sheet(request: SheetRequest) -> Sheet:
    """One page of at most TILES samples; raises UnknownNameError, ConfigError or DataError."""
    spec = _spec(find(request.name))
    shelf, found = _matching(request, spec)
    if request.shuffle:
        found = np.random.default_rng(request.shuffle).permutation(found)
    pages = max(1, -(-len(found) // TILES))
    page = min(request.page, pages - 1)
    rows = found[page * TILES : (page + 1) * TILES]
    tiles = tuple(
        Tile(*_encoded(pixels), spec.classes[shelf.labels[row]] if spec.classes else None, int(row))
        for row, pixels in zip(rows, shelf.pictures(rows), strict=True)
    )
    whole = spec.train_size if request.split == "train" else spec.test_size
    return Sheet(tiles, page, pages, len(found), len(shelf.labels), len(shelf.labels) < whole)


def _matching(request: SheetRequest, spec: DataSpec) -> tuple[_Shelf, np.ndarray]:
    """The split, and which of its rows have the wanted class."""
    if request.label is not None and request.label >= spec.num_classes:
        raise ConfigError(
            f"label = {request.label} does not exist: {spec.title} has {spec.num_classes} classes, counted from 0"
        )
    shelf = _shelf(find(request.name), request.split)
    found = np.arange(len(shelf.labels)) if request.label is None else np.flatnonzero(shelf.labels == request.label)
    return shelf, found


def mean_pictures(name: str) -> tuple[Tile, ...]:
    """The mean training picture of each class (of all, without classes), of at most 48 MB of pictures.

    `number` counts the pictures behind each. Classes after the twentieth, and empty ones, are left out.
    """
    entry = find(name)
    spec, shelf = _spec(entry), _shelf(entry, "train")
    if shelf.means is None:
        each = int(np.prod(shelf.pictures(np.arange(1)).shape))  # of recordings, their spectrograms are shown
        first = np.arange(min(len(shelf.labels), _MEAN_BYTES // each, shelf.most))
        images, labels = shelf.pictures(first), shelf.labels[first]
        means = []
        for index in range(min(max(1, spec.num_classes), MEAN_CLASSES)):
            chosen = images[labels == index] if spec.classes else images
            if len(chosen):
                mean = chosen.mean(0, dtype=np.float32).round().astype(np.uint8)
                means.append(Tile(*_encoded(mean), spec.classes[index] if spec.classes else None, len(chosen)))
        shelf.means = tuple(means)
    return shelf.means


# --------------------------------------------------------------------- the user's own


def bring(uploads: Sequence[Upload], wanted: Wanted, on_progress: Callable[[int, int], None] | None = None) -> Taken:
    """Pack an upload into an own set, checked and decoded in a process of its own.

    Raises ConfigError for a name that cannot be used, DataError for an upload that cannot, GenmodelsError on a public
    server. Nothing half-made is left.
    """
    _refuse_in_public_mode("uploading pictures")
    return intake.take_in(uploads, wanted, on_progress)


def remove(name: str) -> None:
    """Delete an own set for good. Raises UnknownNameError, DataError, and GenmodelsError on a public server."""
    _refuse_in_public_mode("deleting a data set")
    own.remove(name)


def _refuse_in_public_mode(what: str) -> None:
    if public_mode():
        raise GenmodelsError(
            f"{what} is switched off on this public server (GENMODELS_PUBLIC is set). "
            "Run Genmodels Studio on your own machine to bring your own pictures"
        )


# --------------------------------------------------------------------- what was read


class _Shelf:
    """One split at hand: labels in memory, pictures in memory or in their files."""

    def __init__(self, entry: Entry, split: Split) -> None:
        self.means: tuple[Tile, ...] | None = None
        self.most = sys.maxsize  # to be read at once: of files, each of which is decoded, fewer
        self._entry, self._split = entry, split
        self._lock, self._ready = threading.Lock(), False
        self._images: np.ndarray | None = None
        self._packed: hdf5.Packed | None = None
        self._listed: Listed | None = None
        self.labels = self._rows = np.empty(0, np.int64)

    def load(self) -> _Shelf:
        """Read once, however many ask at the same time; a failure is tried again by the next."""
        with self._lock:
            if not self._ready:
                self._read()
                self._ready = True
        return self

    def _read(self) -> None:
        entry = self._entry
        if entry.own:
            self._packed = hdf5.header(Path(str(entry.config.path)))
            self._rows = self._packed.split(self._split)
            self.labels = self._packed.labels[self._rows]
        elif found := data.listed(entry.config, self._split):
            self._listed, self.labels, self.most = found, found.labels, _DECODED
        elif entry.spec is not None and entry.spec.sample_rate is not None:
            arrays = fsdd_spectrograms.of(data.load_audio(entry.config, self._split), entry.spec.sample_rate)
            self._images, self.labels = arrays.images, arrays.labels
        else:
            first = _DECODED if "limit" in data.fields(entry.name) else None
            arrays = data.load(entry.config, self._split, first)
            self._images, self.labels = arrays.images, arrays.labels

    def pictures(self, rows: np.ndarray) -> np.ndarray:
        if self._images is not None:
            return np.asarray(self._images[rows])
        if self._listed is not None:
            return self._listed.pictures(rows)
        assert self._packed is not None
        return self._packed.rows(self._rows[rows])


_shelves: OrderedDict[tuple[str, str, float], _Shelf] = OrderedDict()
_shelves_lock = threading.Lock()  # held for a moment only: one slow set must not keep the others waiting


def _shelf(entry: Entry, split: Split) -> _Shelf:
    path = Path(entry.config.path) if entry.config.path else data.data_root()
    try:
        key = (f"{entry.name} {path}", split, path.stat().st_mtime if entry.own else 0.0)
    except OSError as error:
        raise DataError(f"{entry.name} has just been deleted ({error.strerror}); choose another set") from error
    with _shelves_lock:
        shelf = _shelves.setdefault(key, _Shelf(entry, split))
        _shelves.move_to_end(key)
        while len(_shelves) > _SHELVES:
            _shelves.popitem(last=False)
    return shelf.load()


def _spec(entry: Entry) -> DataSpec:
    if entry.spec is None or entry.problem:
        raise DataError(entry.problem or f"{entry.name} cannot be read")
    return entry.spec


def _splits(entry: Entry) -> tuple[Split, ...]:
    return ("train", "test") if _spec(entry).test_size else ("train",)


def _encoded(pixels: np.ndarray) -> tuple[bytes, str]:
    """A picture uint8 (C, H, W) for the browser, reduced where it is large: its bytes and their type."""
    image = Image.fromarray(pixels[0] if len(pixels) == 1 else np.ascontiguousarray(pixels.transpose(1, 2, 0)))
    if max(image.size) > _THUMBNAIL:
        image.thumbnail((_THUMBNAIL, _THUMBNAIL), Image.Resampling.LANCZOS)
    kind = "jpeg" if image.width * image.height * len(pixels) > 8_192 else "png"
    buffer = io.BytesIO()
    image.save(buffer, kind.upper(), **({"quality": 88} if kind == "jpeg" else {"compress_level": 1}))
    return buffer.getvalue(), kind
