"""Images in one HDF5 file: what `python -m genmodels pack` writes, or the faces of the GAN book.

A packed file has the dataset `images` uint8 (N, C, H, W) and optional `labels` and `test` (N,). The book's file has the
group `img_align_celeba` with one dataset per image, `0.jpg`, `1.jpg`, ... An HDF5 file can refer to other files of this
machine and claim terabytes in two kilobytes, so every dataset is checked before one byte of it is read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from genmodels.data.formats import image_files
from genmodels.data.formats.background import Background
from genmodels.data.left_out import LeftOut
from genmodels.data.own import from_source
from genmodels.data.spec import Split, split_rows
from genmodels.errors import DataError

VERSION = 1
MAX_NOTES, MAX_NOTE = 60, 600
BOOK_GROUP = "img_align_celeba"
_MAX_BOOK_IMAGES = 500_000
_MAX_CHUNK_BYTES = 256 * 2**20
_MAX_RATIO = 1_100  # more than gzip can reach
_FILTERS = {1: "gzip", 2: "shuffle", 3: "checksum", 32_000: "lzf"}  # others would load a plugin
_BLOCK_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Packed:
    """The checked header of a packed file; the images are still on disk."""

    path: Path
    count: int
    shape: tuple[int, int, int]
    classes: tuple[str, ...]
    labels: np.ndarray
    test: np.ndarray | None
    title: str
    licence: str
    source: str
    offset: int | None  # where the images start, if they are stored contiguously
    notes: tuple[str, ...] = ()  # what was left out when it was packed, and why

    def split(self, split: Split, limit: int | None = None) -> np.ndarray:
        """The row numbers of a split, at most about `limit`."""
        return split_rows(self.count, split, limit, self.test, self.labels)

    def rows(self, rows: np.ndarray) -> np.ndarray:
        """The images of these row numbers, in this order, uint8 (n, C, H, W)."""
        if self.offset is not None:
            return np.asarray(self.view()[rows])
        images = np.empty((len(rows), *self.shape), np.uint8)
        step = max(1, _BLOCK_BYTES // int(np.prod(self.shape)))
        with _open_file(self.path) as file:
            for start in range(0, self.count, step):
                inside = np.flatnonzero((rows >= start) & (rows < start + step))
                if len(inside):
                    images[inside] = file["images"][start : start + step][rows[inside] - start]
        return images

    def view(self) -> np.ndarray:
        """All images as a read-only memory map, microseconds per image; raises DataError if they are compressed."""
        if self.offset is None:
            raise DataError(f"{self.path.name} is compressed or chunked; pack the pictures again for random reads")
        return np.memmap(self.path, np.uint8, "r", self.offset, (self.count, *self.shape))


class Book:
    """The book's file as a source: one dataset per image, each checked when it is read."""

    def __init__(self, path: Path) -> None:
        import h5py

        self.path, self.title = path, path.stem
        self.left_out = LeftOut()
        if not is_book(path):
            raise DataError(f"{path.name} has no group `{BOOK_GROUP}`, the layout of the book's faces")
        with _translated_errors(path):
            self._group = h5py.File(path, "r", locking="best-effort")[BOOK_GROUP]
            if len(self._group) > _MAX_BOOK_IMAGES:
                raise DataError(f"{path.name} holds {len(self._group):,} pictures; the limit is {_MAX_BOOK_IMAGES:,}")
            self.names: Sequence[str] = sorted(self._group, key=lambda name: (len(name), name))

    def read(self, name: str, size: int, channels: int, background: Background | None = None) -> np.ndarray:
        with _translated_errors(self.path):
            dataset = checked_dataset(self._group, name, (2, 3), np.uint8)
            depth = dataset.shape[2:] or (1,)
            if depth[0] not in (1, 3) or dataset.nbytes > 3 * image_files.MAX_PIXELS:
                raise DataError(f"a picture of shape {dataset.shape}; (height, width, 3) was expected")
            pixels = dataset[()]
        return image_files.fit_array(pixels, size, channels)


def is_book(path: Path) -> bool:
    """Whether the file has the book's group; raises DataError if it is no HDF5 file."""
    import h5py

    with _open_file(path) as file:
        if not _has(file, BOOK_GROUP):
            return False
        if not isinstance(file.get(BOOK_GROUP, getlink=True), h5py.HardLink):
            raise DataError(f"{path.name}: `{BOOK_GROUP}` is a link to elsewhere; only data inside the file are read")
        return isinstance(file[BOOK_GROUP], h5py.Group)


def read_header(path: Path) -> Packed:
    """Check a packed file and read all but its images; raises DataError."""
    with _open_file(path) as file:
        if not _has(file, "images"):
            raise DataError(
                f"{path.name} has neither a dataset `images` nor a group `{BOOK_GROUP}`; "
                "make one with `python -m genmodels pack FOLDER OUT.h5`"
            )
        version = _attribute(file, "version", "i")
        if version is not None and version != VERSION:
            raise DataError(f"{path.name} has format version {version}, this studio reads {VERSION}; update the studio")
        images = checked_dataset(file, "images", (4,), np.uint8)
        count, channels, height, width = images.shape
        if channels not in (1, 3) or not 1 <= min(height, width) <= max(height, width) <= 4096:
            raise DataError(
                f"{path.name}: `images` has shape {images.shape}; (pictures, 1 or 3, height, width) was expected"
            )
        classes = _classes(file, path)
        offset = images.id.get_offset()
        if offset is not None and offset + images.nbytes > path.stat().st_size:
            raise DataError(f"{path.name} is cut off: its pictures end after the end of the file; pack it again")
        return Packed(
            path=path,
            count=count,
            shape=(channels, height, width),
            classes=classes,
            labels=_labels(file, count, classes, path),
            test=_column(file, "test", count, path).astype(bool) if _has(file, "test") else None,
            title=_text(file, "title") or path.stem,
            licence=_text(file, "licence") or from_source.UNKNOWN_LICENCE,
            source=_text(file, "source") or f"your own file: {path.name}",
            offset=offset,
            notes=_notes(file),
        )


def checked_dataset(group: Any, name: str, dimensions: tuple[int, ...], dtype: type | None) -> Any:
    """The dataset `name`, if it is stored whole in this file and is as large as it claims; raises DataError."""
    import h5py

    if not isinstance(group.get(name, getlink=True), h5py.HardLink):
        raise DataError(f"`{name}` is a link to elsewhere; only data inside the file itself are read")
    dataset = group[name]
    if not isinstance(dataset, h5py.Dataset):
        raise DataError(f"`{name}` is a group; a dataset was expected")
    if dataset.external or dataset.is_virtual:
        raise DataError(f"`{name}` keeps its data in other files; only data inside the file itself are read")
    if dataset.shape is None or len(dataset.shape) not in dimensions:
        raise DataError(f"`{name}` has shape {dataset.shape}; {' or '.join(map(str, dimensions))} axes were expected")
    if dataset.dtype != dtype if dtype else dataset.dtype.kind not in "iu":
        raise DataError(f"`{name}` holds {dataset.dtype}; {'uint8' if dtype else 'whole numbers'} were expected")
    plist = dataset.id.get_create_plist()
    if any(plist.get_filter(index)[0] not in _FILTERS for index in range(plist.get_nfilters())):
        raise DataError(f"`{name}` is compressed in a way that is not read here; use none, gzip or lzf")
    stored = dataset.id.get_storage_size()
    if dataset.chunks is not None and int(np.prod(dataset.chunks, dtype=object)) > _MAX_CHUNK_BYTES:
        raise DataError(f"`{name}` has chunks of more than {_MAX_CHUNK_BYTES >> 20} MB")
    if dataset.nbytes > stored * (_MAX_RATIO if plist.get_nfilters() else 1):
        raise DataError(
            f"`{name}` claims shape {dataset.shape}, {dataset.nbytes:,} bytes, but the file holds {stored:,} of them"
        )
    return dataset


@contextmanager
def _open_file(path: Path) -> Iterator[Any]:
    import h5py

    with _translated_errors(path), h5py.File(path, "r", locking="best-effort") as file:
        yield file


@contextmanager
def _translated_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, RuntimeError, LookupError, ValueError, TypeError) as error:
        # The library's message goes on with pages of C; its first line says what is wrong.
        cause = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
        raise DataError(f"{path.name} cannot be read as HDF5: {cause}. Is it whole, and an HDF5 file?") from error


def _has(file: Any, name: str) -> bool:
    # `name in file` would follow a link into another file.
    return file.get(name, getlink=True) is not None


def _attribute(file: Any, name: str, kind: str) -> Any:
    """A number ("i") or bytes of fixed length ("S"), else None.

    Strings of variable length are never read: the library loops endlessly on a damaged heap, where they are stored.
    """
    if name not in file.attrs:
        return None
    attribute = file.attrs.get_id(name)
    return file.attrs[name] if attribute.shape == () and attribute.dtype.kind == kind else None


def _text(file: Any, name: str) -> str:
    value = _attribute(file, name, "S")
    return bytes(value).decode("utf-8", "replace").strip() if value is not None else ""


def _notes(file: Any) -> tuple[str, ...]:
    try:
        lines = json.loads(_text(file, "notes") or "[]")
    except (ValueError, RecursionError):
        return ()
    valid = isinstance(lines, list) and len(lines) <= MAX_NOTES and all(isinstance(line, str) for line in lines)
    return tuple(line[:MAX_NOTE] for line in lines) if valid else ()


def _classes(file: Any, path: Path) -> tuple[str, ...]:
    text = _text(file, "classes") or "[]"
    try:
        names = json.loads(text)
    except (ValueError, RecursionError):
        names = None
    if not isinstance(names, list) or len(names) > 1_000 or not all(isinstance(name, str) for name in names):
        raise DataError(f"{path.name}: the attribute `classes` is not a list of at most 1,000 names; pack it again")
    return tuple(name[:200] for name in names)


def _column(file: Any, name: str, count: int, path: Path) -> np.ndarray:
    values = checked_dataset(file, name, (1,), None)
    if values.shape != (count,):
        raise DataError(f"{path.name}: `{name}` has {values.shape[0]:,} entries for {count:,} pictures; pack it again")
    return np.asarray(values[()]).astype(np.int64)


def _labels(file: Any, count: int, classes: tuple[str, ...], path: Path) -> np.ndarray:
    if not classes or not _has(file, "labels"):
        return np.zeros(count, np.int64)
    labels = _column(file, "labels", count, path)
    if count and not 0 <= labels.min() <= labels.max() < len(classes):
        raise DataError(f"{path.name}: `labels` reach {labels.max()}, there are {len(classes)} classes; pack it again")
    return labels
