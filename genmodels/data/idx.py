"""Sets in MNIST's format: four idx files, gzipped or not, read where they lie."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from genmodels.data.spec import Arrays, DataSpec, Split
from genmodels.errors import DataError

_STEMS = {"train": "train", "test": "t10k"}


def located(folders: Sequence[Path]) -> str | None:
    """The first folder that holds all four files, or None."""
    for folder in folders:
        names = [f"{stem}-{kind}" for stem in _STEMS.values() for kind in ("images-idx3-ubyte", "labels-idx1-ubyte")]
        if all(_file(folder, name) for name in names):
            return str(folder)
    return None


def load(folders: Sequence[Path], spec: DataSpec, split: Split) -> Arrays:
    """Images uint8 (N, 1, 28, 28) and labels int64 (N,); raises DataError where a file is damaged."""
    found = located(folders)
    assert found is not None, "load() is called after located()"
    count = spec.train_size if split == "train" else spec.test_size
    images = _read(Path(found), f"{_STEMS[split]}-images-idx3-ubyte", (count, 28, 28))
    labels = _read(Path(found), f"{_STEMS[split]}-labels-idx1-ubyte", (count,))
    return Arrays(images=images.reshape(count, 1, 28, 28), labels=labels.astype(np.int64))


def fetch(dataset: str, root: Path, title: str) -> None:
    """Download with torchvision's class `dataset`, which knows the mirrors and checks the md5 sums."""
    import torchvision.datasets

    try:
        root.mkdir(parents=True, exist_ok=True)
        getattr(torchvision.datasets, dataset)(root, download=True)
    except (OSError, RuntimeError) as error:  # a failed connection is an OSError
        raise DataError(
            f"{title} could not be downloaded to {root}: {error}. Check the network and that the folder is writable, "
            f"or copy the four idx files to {dataset}/raw/ there yourself; `digits` works without any download"
        ) from error


def _file(folder: Path, name: str) -> Path | None:
    return next((path for path in (folder / f"{name}.gz", folder / name) if path.is_file()), None)


def _read(folder: Path, name: str, shape: tuple[int, ...]) -> np.ndarray:
    path = _file(folder, name)
    assert path is not None, "located() has seen it"
    size = int(np.prod(shape))
    header = 4 + 4 * len(shape)
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            raw = file.read(header + size + 1)  # bounded: never more than the file should hold
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read: {error}. Remove it and fetch it again") from error
    found = tuple(np.frombuffer(raw[4:header], ">u4")) if len(raw) >= header else ()
    if len(raw) != header + size or found != shape:
        raise DataError(f"{path} is damaged: an idx file of shape {shape} was expected. Remove it and fetch it again")
    return np.frombuffer(raw, np.uint8, offset=header).reshape(shape)
