"""CIFAR-10: 50,000 + 10,000 colour photographs in ten classes (Krizhevsky 2009), from its binary version.

The Python version that torchvision fetches is pickled, and a pickle runs whatever its author wrote: it is not read.
A folder `cifar10/` of picture files, `train|test/CLASS/*.jpg`, is taken too.
"""

from __future__ import annotations

import os
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from genmodels import leftovers
from genmodels.data.spec import Arrays, DataConfig, DataSpec, Split
from genmodels.errors import DataError

if TYPE_CHECKING:
    from genmodels.data.sources import Listed

SPEC = DataSpec(
    name="cifar10",
    title="CIFAR-10 photographs",
    provides=("image", "label"),
    image_shape=(3, 32, 32),
    num_classes=10,
    classes=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    train_size=50_000,
    test_size=10_000,
    licence="none stated; for research, cite Krizhevsky 2009",
    source="A. Krizhevsky: Learning Multiple Layers of Features from Tiny Images, 2009",
    download_mb=162,
)
_URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
_MD5 = "c32a1d4ab5d03f1284b67883e8d87530"
_BINARY, _FOLDER = "cifar-10-batches-bin", "cifar10"
_FILES = {"train": tuple(f"data_batch_{number}.bin" for number in range(1, 6)), "test": ("test_batch.bin",)}
_PER_FILE, _RECORD = 10_000, 1 + 3 * 32 * 32  # a byte of label, then the planes red, green, blue


def located() -> str | None:
    """The folder of the binary files, or of the picture files, or None."""
    from genmodels.data import data_root

    binary, folder = data_root() / _BINARY, data_root() / _FOLDER
    if all((binary / name).is_file() for names in _FILES.values() for name in names):
        return str(binary)
    if all((folder / split / name).is_dir() for split in _FILES for name in SPEC.classes):
        return str(folder)
    return None


def download() -> None:
    """Fetch the binary version, check its md5 sum and unpack its six files; raises DataError."""
    from torchvision.datasets.utils import download_url

    from genmodels.data import data_root

    root = data_root()
    archive = root / _URL.rsplit("/", 1)[1]
    try:
        root.mkdir(parents=True, exist_ok=True)
        download_url(_URL, str(root), archive.name, _MD5)
        unpack(archive, root)
        leftovers.discard(archive)
    except (OSError, RuntimeError) as error:
        raise DataError(
            f"CIFAR-10 could not be downloaded to {root}: {error}. Check the network and that the folder is writable, "
            f"or unpack {archive.name} of its official page there yourself"
        ) from error


def unpack(archive: Path, root: Path) -> None:
    """Take the six files out of the archive, by name and at their exact size, and nothing else."""
    folder = root / _BINARY
    size = _PER_FILE * _RECORD
    try:
        with tarfile.open(archive) as tar:
            folder.mkdir(exist_ok=True)
            for name in (name for names in _FILES.values() for name in names):
                member = tar.getmember(f"{_BINARY}/{name}")
                stream = tar.extractfile(member) if member.isreg() and member.size == size else None
                if stream is None:
                    raise DataError(f"{archive} is damaged: {name} is no file of {size:,} bytes. Fetch it again")
                temporary = folder / f".{name}.tmp"
                temporary.write_bytes(stream.read(size))
                os.replace(temporary, folder / name)
    except (tarfile.TarError, EOFError, KeyError) as error:
        raise DataError(f"{archive} is damaged: {error}. Remove it and fetch it again") from error


def read(config: DataConfig, split: Split, first: int | None) -> Arrays:
    """Images uint8 (N, 3, 32, 32) and labels int64 (N,); raises DataError where a file is damaged."""
    files = listed(split)
    if files is None:
        whole = _from_binary(_found(), split)
        return whole if first is None else Arrays(images=whole.images[:first], labels=whole.labels[:first])
    labels = files.labels[:first]
    return Arrays(images=files.pictures(np.arange(len(labels))), labels=labels)


def class_counts(config: DataConfig, split: Split) -> tuple[int, ...]:
    """Pictures of each class; of a folder by its files, none of which is opened."""
    files = listed(split)
    labels = _from_binary(_found(), split).labels if files is None else files.labels
    return tuple(np.bincount(labels, minlength=SPEC.num_classes).tolist())


def _found() -> Path:
    found = located()
    assert found is not None, "sets are read after located()"
    return Path(found)


def _from_binary(folder: Path, split: Split) -> Arrays:
    parts = []
    for name in _FILES[split]:
        path = folder / name
        if path.stat().st_size != _PER_FILE * _RECORD:
            raise DataError(f"{path} is damaged: {_PER_FILE * _RECORD:,} bytes expected. Remove it and fetch it again")
        parts.append(np.fromfile(path, np.uint8).reshape(_PER_FILE, _RECORD))
    records = np.concatenate(parts)
    labels = records[:, 0].astype(np.int64)
    if labels.max() >= SPEC.num_classes:
        raise DataError(f"{folder} is damaged: it holds the label {labels.max()}. Remove it and fetch it again")
    return Arrays(images=np.ascontiguousarray(records[:, 1:]).reshape(-1, 3, 32, 32), labels=labels)


def listed(split: Split) -> Listed | None:
    """The folder's picture files; None where the binary version is read. Raises DataError where some are missing.

    Decoding all 60,000 takes most of a minute on one core; their labels and number are in the names.
    """
    from genmodels.data import from_source
    from genmodels.data.sources import Folder, Listed, layout

    if _found().name == _BINARY:
        return None
    folder = _found() / split
    source = Folder(folder)
    groups = layout(source.names)
    count = SPEC.train_size if split == "train" else SPEC.test_size
    if groups.classes != SPEC.classes or len(source.names) != count:
        raise DataError(
            f"{folder} holds {len(source.names):,} pictures in {len(groups.classes)} classes; {count:,} in the ten of "
            "CIFAR-10 were expected. Fetch it again, or use it as `image_folder`"
        )
    # The files are sorted by class: mixed, so that the first pictures show all ten.
    order = np.random.default_rng(0).permutation(count)

    def pictures(rows: np.ndarray) -> np.ndarray:
        images, _, skipped = from_source.gather(source, [source.names[row] for row in order[rows]], 32, 3)
        if skipped:
            raise DataError(f"{len(skipped):,} pictures in {folder} are damaged, first {skipped[0]}. Fetch it again")
        return images

    return Listed(groups.labels[order], pictures)
