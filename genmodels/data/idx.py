"""Sets in MNIST's format: four idx files, gzipped or not, read where they lie."""

from __future__ import annotations

import gzip
import math
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

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
    """The file as its authors or as Kaggle name it, `train-images.idx3-ubyte`, also in a folder of its own name."""
    names = (name, name.replace("-idx", ".idx"))
    places = (folder, *(folder / inside for inside in names))
    candidates = (place / f"{base}{suffix}" for place in places for base in names for suffix in (".gz", ""))
    return next((path for path in candidates if path.is_file()), None)


def read(opened: Callable[[], BinaryIO], title: str, axes: int, most: int) -> np.ndarray:
    """Any idx file of bytes with so many axes, gzipped or not, of at most `most` bytes; raises DataError."""
    header = 4 + 4 * axes
    try:
        with opened() as file:
            start = file.read(2)
        with opened() as file, gzip.GzipFile(fileobj=file) if start == b"\x1f\x8b" else file as stream:
            head = stream.read(header)
            if len(head) < header or head[:4] != bytes((0, 0, 8, axes)):
                raise DataError(f"{title} is no idx file of bytes with {axes} axes; fetch it again")
            shape = tuple(int.from_bytes(head[at : at + 4], "big") for at in range(4, header, 4))
            size = math.prod(shape)
            if size > most:
                raise DataError(f"{title} claims shape {shape}; the limit is {most / 1e6:,.0f} MB")
            raw = stream.read(size + 1)
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile) as error:  # the last of a file inside a zip
        raise DataError(f"{title} cannot be read: {error}. Fetch it again") from error
    if len(raw) != size:
        raise DataError(f"{title} is damaged: shape {shape} was announced, and the file is of another size")
    return np.frombuffer(raw, np.uint8).reshape(shape)


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
