"""CIFAR-10: 50,000 + 10,000 colour photographs in ten classes (Krizhevsky 2009), from its binary version.

The Python version that torchvision downloads is not read: it is pickled, and a pickle can run any code.
A folder `cifar10/` of image files, `train|test/CLASS/*.jpg`, is read too.
"""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

import numpy as np

from genmodels.data import transfer
from genmodels.data.dataset import Downloadable, FixedDataset, ImageFileList
from genmodels.data.own import from_source
from genmodels.data.own.layouts import layout
from genmodels.data.own.sources import Folder
from genmodels.data.root import data_root
from genmodels.data.spec import Arrays, DataConfig, DataSpec, Split
from genmodels.errors import DataError
from genmodels.system import leftovers

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
_PER_FILE, _RECORD = 10_000, 1 + 3 * 32 * 32  # one byte: the label; then the channels red, green, blue


class Cifar10(Downloadable, FixedDataset):
    def locate(self) -> Path | None:
        """The folder of the binary files, or of the image files, or None."""
        binary, folder = data_root() / _BINARY, data_root() / _FOLDER
        if all((binary / name).is_file() for names in _FILES.values() for name in names):
            return binary
        if all((folder / split / name).is_dir() for split in _FILES for name in SPEC.classes):
            return folder
        return None

    def fetch(self) -> None:
        """Download the binary version, check its md5 sum and unpack its six files; raises DataError."""
        root = data_root()
        archive = root / _URL.rsplit("/", 1)[1]
        try:
            root.mkdir(parents=True, exist_ok=True)
            transfer.save(_URL, archive, md5=_MD5)
            unpack(archive, root)
            leftovers.discard(archive)
        except (OSError, RuntimeError) as error:
            raise DataError(
                f"CIFAR-10 could not be downloaded to {root}: {error}. Check the network and that the folder is "
                f"writable, or unpack {archive.name} of its official page there yourself"
            ) from error

    def load(self, config: DataConfig, split: Split, first: int | None = None) -> Arrays:
        """Images uint8 (N, 3, 32, 32) and labels int64 (N,); raises DataError if a file is damaged."""
        files = self.image_file_list(split)
        if files is None:
            arrays = _read_binary(self._folder(), split)
            return arrays if first is None else Arrays(images=arrays.images[:first], labels=arrays.labels[:first])
        labels = files.labels[:first]
        return Arrays(images=files.images(np.arange(len(labels))), labels=labels)

    def class_counts(self, config: DataConfig, split: Split) -> tuple[int, ...]:
        """Images per class; those of a folder are counted without opening them."""
        files = self.image_file_list(split)
        labels = _read_binary(self._folder(), split).labels if files is None else files.labels
        return tuple(np.bincount(labels, minlength=SPEC.num_classes).tolist())

    def image_file_list(self, split: Split) -> ImageFileList | None:
        """The folder's image files; None if the binary version is there. Raises DataError if some are missing.

        Decoding all 60,000 takes most of a minute on one core; their labels and number are known from the names.
        """
        if self._folder().name == _BINARY:
            return None
        folder = self._folder() / split
        source = Folder(folder)
        groups = layout(source.names)
        count = self.size(split)
        if groups.classes != SPEC.classes or len(source.names) != count:
            raise DataError(
                f"{folder} holds {len(source.names):,} pictures in {len(groups.classes)} classes; {count:,} in the ten "
                "of CIFAR-10 were expected. Fetch it again, or use it as `image_folder`"
            )
        # The files are sorted by class: shuffled, so that the first images show all ten.
        order = np.random.default_rng(0).permutation(count)

        def decode(rows: np.ndarray) -> np.ndarray:
            images, _, skipped = from_source.gather(source, [source.names[row] for row in order[rows]], 32, 3)
            if skipped:
                raise DataError(
                    f"{len(skipped):,} pictures in {folder} are damaged, first {skipped[0]}. Fetch it again"
                )
            return images

        return ImageFileList(groups.labels[order], decode)

    def _folder(self) -> Path:
        folder = self.locate()
        assert folder is not None, "sets are read after locate()"
        return folder


DATASET = Cifar10(SPEC)


def unpack(archive: Path, root: Path) -> None:
    """Extract the six files, by name and exact size, and nothing else; raises DataError."""
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


def _read_binary(folder: Path, split: Split) -> Arrays:
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
