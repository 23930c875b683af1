"""Cached splits of data sets, so that the next page of samples costs milliseconds instead of a second of unpacking."""

from __future__ import annotations

import sys
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from genmodels import data
from genmodels.data import DataConfig, DataSpec, Split
from genmodels.data.dataset import ImageFileList
from genmodels.data.own import hdf5
from genmodels.data.sets import fsdd_spectrograms
from genmodels.errors import DataError
from genmodels.service.cache import LRU

DECODED = 2_000
"""At most so many images of a split are decoded one by one, 1 ms each."""
_CACHED_SPLITS = 4


@dataclass(frozen=True)
class Entry:
    """One data set: `spec` is None if its file is damaged; `problem` says why it cannot be loaded now."""

    name: str
    config: DataConfig
    uploaded: bool
    spec: DataSpec | None
    problem: str | None


@dataclass(frozen=True)
class Tile:
    """One image as PNG or JPEG, its class, and its number in the split."""

    image: bytes
    kind: str
    label: str | None
    number: int


class CachedSplit:
    """One split: labels in memory, images in memory or in their files."""

    def __init__(self, entry: Entry, split: Split) -> None:
        self.means: tuple[Tile, ...] | None = None
        self.most = sys.maxsize  # images to read at once; fewer if each is decoded from a file
        self._entry, self._split = entry, split
        self._lock, self._ready = threading.Lock(), False
        self._images: np.ndarray | None = None
        self._packed: hdf5.Packed | None = None
        self._files: ImageFileList | None = None
        self.labels = self._rows = np.empty(0, np.int64)

    def load(self) -> CachedSplit:
        """Read the split once, also for concurrent requests; after a failure, the next request tries again."""
        with self._lock:
            if not self._ready:
                self._read()
                self._ready = True
        return self

    def _read(self) -> None:
        entry = self._entry
        if entry.uploaded:
            self._packed = hdf5.read_header(Path(str(entry.config.path)))
            self._rows = self._packed.split(self._split)
            self.labels = self._packed.labels[self._rows]
        elif files := data.image_file_list(entry.config, self._split):
            self._files, self.labels, self.most = files, files.labels, DECODED
        elif entry.spec is not None and entry.spec.sample_rate is not None:
            arrays = fsdd_spectrograms.to_spectrograms(
                data.load_audio(entry.config, self._split), entry.spec.sample_rate
            )
            self._images, self.labels = arrays.images, arrays.labels
        else:
            first = DECODED if "limit" in data.fields(entry.name) else None
            arrays = data.load(entry.config, self._split, first)
            self._images, self.labels = arrays.images, arrays.labels

    def images(self, rows: np.ndarray) -> np.ndarray:
        """The images of these rows, decoded."""
        if self._images is not None:
            return np.asarray(self._images[rows])
        if self._files is not None:
            return self._files.images(rows)
        assert self._packed is not None
        return self._packed.rows(self._rows[rows])


_cache: LRU[tuple[str, str, float], CachedSplit] = LRU(_CACHED_SPLITS)


def cached_split(entry: Entry, split: Split) -> CachedSplit:
    """The split, read once; raises DataError."""
    path = Path(entry.config.path) if entry.config.path else data.data_root()
    try:
        key = (f"{entry.name} {path}", split, path.stat().st_mtime if entry.uploaded else 0.0)
    except OSError as error:
        raise DataError(f"{entry.name} has just been deleted ({error.strerror}); choose another set") from error
    # Stored before it is read: concurrent requests wait for one reading.
    return _cache.store(key, CachedSplit(entry, split)).load()
