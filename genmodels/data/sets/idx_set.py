"""Data sets in MNIST's format: four idx files, gzipped or not, read in place."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from genmodels.data import transfer
from genmodels.data.dataset import Downloadable, FixedImages
from genmodels.data.root import data_root
from genmodels.data.spec import Arrays, DataSpec, Split
from genmodels.errors import DataError

_STEMS = {"train": "train", "test": "t10k"}


class IdxSet(Downloadable, FixedImages):
    """28x28 grey images with labels, in the folder of torchvision's class `torchvision_name` or in `other_folders`."""

    def __init__(
        self, spec: DataSpec, torchvision_name: str, short_title: str, other_folders: tuple[Path, ...] = ()
    ) -> None:
        super().__init__(spec)
        self._torchvision_name, self._short_title = torchvision_name, short_title
        self._other_folders = other_folders

    def locate(self) -> Path | None:
        """The first folder that holds all four files, or None."""
        for folder in (data_root() / self._torchvision_name / "raw", *self._other_folders):
            names = [
                f"{stem}-{suffix}" for stem in _STEMS.values() for suffix in ("images-idx3-ubyte", "labels-idx1-ubyte")
            ]
            if all(_file(folder, name) for name in names):
                return folder
        return None

    def fetch(self) -> None:
        """Download the four files from torchvision's mirrors and check their md5 sums; raises DataError."""
        import torchvision.datasets

        root, name = data_root(), self._torchvision_name
        known = getattr(torchvision.datasets, name)
        try:
            (root / name / "raw").mkdir(parents=True, exist_ok=True)
            for file, md5 in known.resources:
                _save_from_one(known.mirrors, file, root / name / "raw" / file, md5)
        except (OSError, RuntimeError) as error:  # a failed connection is an OSError
            raise DataError(
                f"{self._short_title} could not be downloaded to {root}: {error}. Check the network and that the "
                f"folder is writable, or copy the four idx files to {name}/raw/ there yourself; `digits` works without "
                "any download"
            ) from error

    def read(self, split: Split) -> Arrays:
        """Images uint8 (N, 1, 28, 28) and labels int64 (N,); raises DataError if a file is damaged."""
        folder = self.locate()
        assert folder is not None, "read() is called after locate()"
        count = self.size(split)
        images = _read(folder, f"{_STEMS[split]}-images-idx3-ubyte", (count, 28, 28))
        labels = _read(folder, f"{_STEMS[split]}-labels-idx1-ubyte", (count,))
        return Arrays(images=images.reshape(count, 1, 28, 28), labels=labels.astype(np.int64))


def _save_from_one(mirrors: Sequence[str], file: str, target: Path, md5: str) -> None:
    """Download a file from the first mirror that sends it; raises the OSError of the last one."""
    for mirror in mirrors[:-1]:
        with suppress(OSError):
            return transfer.save(mirror + file, target, md5=md5)
    return transfer.save(mirrors[-1] + file, target, md5=md5)


def _file(folder: Path, name: str) -> Path | None:
    """The file, named as by its authors or as on Kaggle, `train-images.idx3-ubyte`, also in a folder of that name."""
    names = (name, name.replace("-idx", ".idx"))
    folders = (folder, *(folder / inside for inside in names))
    candidates = (place / f"{base}{suffix}" for place in folders for base in names for suffix in (".gz", ""))
    return next((path for path in candidates if path.is_file()), None)


def _read(folder: Path, name: str, shape: tuple[int, ...]) -> np.ndarray:
    path = _file(folder, name)
    assert path is not None, "locate() has found it"
    size = int(np.prod(shape))
    header = 4 + 4 * len(shape)
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            raw = file.read(header + size + 1)  # bounded: never more than the file should hold
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read: {error}. Remove it and fetch it again") from error
    stored = tuple(np.frombuffer(raw[4:header], ">u4")) if len(raw) >= header else ()
    if len(raw) != header + size or stored != shape:
        raise DataError(f"{path} is damaged: an idx file of shape {shape} was expected. Remove it and fetch it again")
    return np.frombuffer(raw, np.uint8, offset=header).reshape(shape)
