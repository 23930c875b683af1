"""A folder of your own pictures, of any sizes and formats; folders inside it are classes.

Decoded anew at each start: for more than some thousand pictures, pack them once (`python -m genmodels pack`).
"""

from __future__ import annotations

from pathlib import Path

from genmodels.data import from_source
from genmodels.data.sources import Folder
from genmodels.data.spec import Arrays, DataConfig, DataSpec, Split
from genmodels.errors import DataError

FIELDS = ("path", "size", "channels", "limit")


def problem(config: DataConfig) -> str | None:
    """None where the folder is there, else one sentence."""
    if config.path is None:
        return (
            "data set 'image_folder' needs a folder of pictures: set data.path, "
            "for example --set data.path=photos --set data.size=64"
        )
    return None if Path(config.path).is_dir() else f"data.path = {config.path!r} is not a folder on this machine"


def spec(config: DataConfig) -> DataSpec:
    """Counted from the file names; raises DataError."""
    return from_source.spec_of(_source(config), config)


def read(config: DataConfig, split: Split, first: int | None) -> Arrays:
    """The split, decoded; raises DataError."""
    return from_source.arrays_of(_source(config), config, split, first)


def class_counts(config: DataConfig, split: Split) -> tuple[int, ...]:
    """Pictures of each class, counted from the file names."""
    return from_source.counts_of(_source(config), config, split)


def _source(config: DataConfig) -> Folder:
    missing = problem(config)
    if missing or config.path is None:
        raise DataError(missing or "")
    return Folder(Path(config.path))
