"""`Dataset`: what every data set can do, with defaults. `registry.py` lists the instances."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from genmodels.data.root import data_root
from genmodels.data.spec import Arrays, DataConfig, DataSpec, Recordings, Split
from genmodels.errors import DataError


@dataclass(frozen=True)
class ImageFileList:
    """One split of image files, none of them opened: labels int64 (N,); `images(rows)` decodes those rows."""

    labels: np.ndarray
    images: Callable[[np.ndarray], np.ndarray]


class Dataset(ABC):
    """A data set. A set of images implements `load`, a set of recordings `load_audio`.

    `load`, `load_audio`, `class_counts` and `image_file_list` may assume that `missing` has returned None.
    """

    fields: tuple[str, ...] = ()
    """The fields of DataConfig that it uses, besides the name."""
    input_files: Mapping[str, str] = {}
    """For single images that a run copies into its folder: field of DataConfig -> file name of the copy."""

    def __init__(self, name: str) -> None:
        self.name = name

    @abstractmethod
    def spec(self, config: DataConfig) -> DataSpec:
        """What the set provides; raises DataError or ConfigError."""

    def missing(self, config: DataConfig) -> str | None:
        """None if the data can be loaded now, else one sentence: what is missing and how to get it."""
        return None

    def load(self, config: DataConfig, split: Split, first: int | None = None) -> Arrays:
        """The images of a split, or its `first` ones; raises DataError."""
        raise DataError(f"data set {self.name!r} holds recordings, not pictures; choose another set")

    def load_audio(self, config: DataConfig, split: Split) -> Recordings:
        """The recordings of a split; raises DataError."""
        raise DataError(f"data set {self.name!r} holds pictures, not recordings; choose another set")

    def class_counts(self, config: DataConfig, split: Split) -> tuple[int, ...]:
        """Examples per class, in the order of `DataSpec.classes`; empty without classes."""
        classes = self.spec(config).num_classes
        return tuple(np.bincount(self.load(config, split).labels, minlength=classes).tolist()) if classes else ()

    def image_file_list(self, split: Split) -> ImageFileList | None:
        """The split as a list of image files, none of them opened; None if it is not stored as image files."""
        return None

    def prepared_inputs(self, config: DataConfig) -> dict[str, bytes]:
        """The files that a run copies into its folder, by file name; raises DataError."""
        return {}


class FixedDataset(Dataset):
    """A data set whose specification does not depend on settings."""

    def __init__(self, spec: DataSpec) -> None:
        super().__init__(spec.name)
        self.fixed_spec = spec

    def spec(self, config: DataConfig) -> DataSpec:
        return self.fixed_spec

    def size(self, split: Split) -> int:
        """Number of examples."""
        return self.fixed_spec.train_size if split == "train" else self.fixed_spec.test_size


class FixedImages(FixedDataset):
    """Images that are read or computed in one piece."""

    @abstractmethod
    def read(self, split: Split) -> Arrays:
        """Images and labels of the whole split; raises DataError if a file is damaged."""

    def load(self, config: DataConfig, split: Split, first: int | None = None) -> Arrays:
        arrays = self.read(split)
        return arrays if first is None else replace(arrays, images=arrays.images[:first], labels=arrays.labels[:first])


class UserData(Dataset):
    """Reads the user's data at `data.path`."""

    def path(self, config: DataConfig) -> Path:
        """`data.path`; raises DataError if it, or another file that is needed, is missing."""
        problem = self.missing(config)
        if problem or config.path is None:
            raise DataError(problem or f"data set {self.name!r} needs data.path")
        return Path(config.path)


class Downloadable(Dataset):
    """A data set that may have to be downloaded first."""

    @abstractmethod
    def locate(self) -> Path | None:
        """The folder or file of the set below the data root, or None."""

    @abstractmethod
    def fetch(self) -> None:
        """Download the set into the data root; raises DataError with the cause."""

    @property
    def terms(self) -> str:
        """What a user has to know before downloading, or nothing."""
        return ""

    def missing(self, config: DataConfig) -> str | None:
        if self.locate():
            return None
        spec = self.spec(config)
        offline = "tones" if spec.sample_rate else "digits2inverted" if spec.pairs else "digits"
        return (
            f"data set {self.name!r} was not found in {data_root()} (the folder that GENMODELS_DATA names); "
            f"fetch it with `python -m genmodels download {self.name}` ({spec.download_mb:.0f} MB), "
            f"or train on --data {offline}, which needs no network{'. ' if self.terms else ''}{self.terms}"
        )
