"""The data set `hdf5`: a packed file, or the faces of the GAN book."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from genmodels.data.dataset import UserData
from genmodels.data.own import from_source, hdf5
from genmodels.data.spec import Arrays, DataConfig, DataSpec, Split, check_memory
from genmodels.errors import ConfigError


class Hdf5Set(UserData):
    """A packed file, or the book's, at `data.path`."""

    fields = ("path", "size", "channels", "limit")

    def missing(self, config: DataConfig) -> str | None:
        if config.path is None:
            return (
                "data set 'hdf5' needs a file: set data.path, for example --set data.path=faces.h5; "
                "`python -m genmodels pack FOLDER faces.h5` makes one"
            )
        return None if Path(config.path).is_file() else f"data.path = {config.path!r} is not a file on this machine"

    def spec(self, config: DataConfig) -> DataSpec:
        """Read from the file's header; raises DataError or ConfigError."""
        path = self.path(config)
        if hdf5.is_book(path):
            return from_source.spec_of(hdf5.Book(path), config)
        packed = hdf5.read_header(path)
        _check_fit(config, packed)
        train, test = (packed.split(split, config.limit) for split in ("train", "test"))
        check_memory(len(train), packed.shape, path.name)
        return DataSpec(
            name=config.name,
            title=packed.title,
            provides=("image", "label") if packed.classes else ("image",),
            image_shape=packed.shape,
            num_classes=len(packed.classes),
            classes=packed.classes,
            train_size=len(train),
            test_size=len(test),
            licence=packed.licence,
            source=packed.source,
            notes=packed.notes,
        )

    def load(self, config: DataConfig, split: Split, first: int | None = None) -> Arrays:
        path = self.path(config)
        if hdf5.is_book(path):
            return from_source.arrays_of(hdf5.Book(path), config, split, first)
        packed = hdf5.read_header(path)
        rows = packed.split(split, config.limit)[:first]
        check_memory(len(rows), packed.shape, path.name)
        return Arrays(images=packed.rows(rows), labels=packed.labels[rows])

    def class_counts(self, config: DataConfig, split: Split) -> tuple[int, ...]:
        """Images per class; no image is read."""
        path = self.path(config)
        if hdf5.is_book(path):
            return ()
        packed = hdf5.read_header(path)
        rows = packed.split(split, config.limit)
        counts = np.bincount(packed.labels[rows], minlength=len(packed.classes))
        return tuple(counts.tolist()) if packed.classes else ()


def _check_fit(config: DataConfig, packed: hdf5.Packed) -> None:
    for field, value, stored in (
        ("size", config.size, packed.shape[1]),
        ("channels", config.channels, packed.shape[0]),
    ):
        if value is not None and value != stored:
            raise ConfigError(
                f"data.{field} = {value} does not fit {packed.path.name}, which was packed with {stored}; "
                f"leave data.{field} empty, or pack the pictures again"
            )


DATASET = Hdf5Set("hdf5")
