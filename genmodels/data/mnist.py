"""MNIST: 60,000 + 10,000 handwritten digits (LeCun, Cortes, Burges), read from the idx files in place."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np

from genmodels.data.spec import Arrays, DataSpec, Split
from genmodels.errors import DataError

SPEC = DataSpec(
    name="mnist",
    title="MNIST handwritten digits",
    provides=("image", "label"),
    image_shape=(1, 28, 28),
    num_classes=10,
    classes=tuple("0123456789"),
    train_size=60_000,
    test_size=10_000,
    licence="CC BY-SA 3.0",
    source="Y. LeCun, C. Cortes, C. Burges: The MNIST database of handwritten digits",
    download_mb=12,
)
_FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", SPEC.train_size),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte", SPEC.test_size),
}


def _find(name: str) -> Path | None:
    from genmodels.data import data_root

    raw = data_root() / "MNIST" / "raw"
    return next((path for path in (raw / f"{name}.gz", raw / name) if path.is_file()), None)


def located() -> str | None:
    """The folder that holds all four files, or None."""
    paths = [_find(name) for images, labels, _ in _FILES.values() for name in (images, labels)]
    return str(paths[0].parent) if paths[0] is not None and all(paths) else None


def download() -> None:
    """Fetch with torchvision, which knows the mirrors and checks the md5 sums."""
    import urllib.error

    from torchvision.datasets import MNIST

    from genmodels.data import data_root

    root = data_root()
    try:
        root.mkdir(parents=True, exist_ok=True)
        MNIST(root, download=True)
    except (OSError, RuntimeError, urllib.error.URLError) as error:
        raise DataError(
            f"MNIST could not be downloaded to {root}: {error}. Check the network and that the folder is writable, "
            "or copy the four idx files to MNIST/raw/ there yourself; `digits` works without any download"
        ) from error


def load(split: Split) -> Arrays:
    """Images uint8 (N, 1, 28, 28) and labels int64 (N,); raises DataError where a file is damaged."""
    images_name, labels_name, count = _FILES[split]
    images = _read_idx(images_name, (count, 28, 28)).reshape(count, 1, 28, 28)
    labels = _read_idx(labels_name, (count,)).astype(np.int64)
    return Arrays(images=images, labels=labels)


def _read_idx(name: str, shape: tuple[int, ...]) -> np.ndarray:
    path = _find(name)
    assert path is not None, "load() is called after located()"
    size = int(np.prod(shape))
    header = 4 + 4 * len(shape)
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            raw = file.read(header + size + 1)  # bounded: never more than the file should hold
    except (OSError, EOFError) as error:
        raise DataError(f"{path} cannot be read: {error}. Remove it and fetch it again") from error
    found = tuple(np.frombuffer(raw[4:header], ">u4")) if len(raw) >= header else ()
    if len(raw) != header + size or found != shape:
        raise DataError(f"{path} is damaged: an idx file of shape {shape} was expected. Remove it and fetch it again")
    return np.frombuffer(raw, np.uint8, offset=header).reshape(shape)
