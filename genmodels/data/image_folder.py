"""A folder of your own pictures, of any sizes and formats; folders inside it are classes.

Decoded anew at each start: for more than some thousand pictures, pack them once (`python -m genmodels pack`).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from genmodels.data import from_source, style_picture
from genmodels.data.pictures import encode_png
from genmodels.data.sources import Folder
from genmodels.data.spec import Arrays, DataConfig, DataSpec, Split
from genmodels.errors import DataError

FIELDS = ("path", "size", "channels", "limit", "background", "style", "style_size")
INPUTS = {"style": "style.png"}


def problem(config: DataConfig) -> str | None:
    """None where the folder is there, else one sentence."""
    if config.path is None:
        return (
            "data set 'image_folder' needs a folder of pictures: set data.path, "
            "for example --set data.path=photos --set data.size=64"
        )
    if not Path(config.path).is_dir():
        return f"data.path = {config.path!r} is not a folder on this machine"
    return None if config.style is None else style_picture.problem(config.style)


def spec(config: DataConfig) -> DataSpec:
    """Counted from the file names; raises DataError."""
    found = from_source.spec_of(_source(config), config)
    return found if config.style is None else found.replace(provides=(*found.provides, "style"))


def read(config: DataConfig, split: Split, first: int | None) -> Arrays:
    """The split, decoded; raises DataError."""
    arrays = from_source.arrays_of(_source(config), config, split, first)
    return arrays if config.style is None else replace(arrays, style=style_picture.read(config)[None])


def prepared(config: DataConfig) -> dict[str, bytes]:
    """The style picture as the run will use it; raises DataError."""
    return {} if config.style is None else {INPUTS["style"]: encode_png(style_picture.read(config))}


def class_counts(config: DataConfig, split: Split) -> tuple[int, ...]:
    """Pictures of each class, counted from the file names."""
    return from_source.counts_of(_source(config), config, split)


def _source(config: DataConfig) -> Folder:
    missing = problem(config)
    if missing or config.path is None:
        raise DataError(missing or "")
    return Folder(Path(config.path))
