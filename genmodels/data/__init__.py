"""Data sets by name: find, describe, download and load them.

`sets/` has the data sets that a name alone chooses; `image_folder`, `hdf5`, `unpaired`, `style_pair` and `audio_folder`
read the user's data. Each is a `Dataset` (`dataset.py`), listed in `registry.py`. Importing them reads no data and
needs no torch.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from genmodels.data import registry
from genmodels.data.dataset import Dataset, Downloadable, ImageFileList
from genmodels.data.root import data_root
from genmodels.data.spec import Arrays, DataConfig, DataSpec, Recordings, Split
from genmodels.errors import ConfigError, DataError
from genmodels.system import leftovers

__all__ = [
    "Arrays",
    "DataConfig",
    "DataSpec",
    "Recordings",
    "Split",
    "class_counts",
    "data_root",
    "download",
    "fields",
    "first_with",
    "get_spec",
    "image_file_list",
    "load",
    "load_audio",
    "missing",
    "names",
    "own_names",
    "own_sound_names",
    "prepared_inputs",
    "with_inputs",
]

_INCOMPLETE = (".fsdd*", ".*.part", "*/raw/.*.part", ".*.tmp", "cifar-10-batches-bin/.*.tmp", "flower_photos/*/.*.tmp")
"""Files that a killed download leaves in the data root."""


def names() -> tuple[str, ...]:
    """Names of all data sets that a name alone chooses, the default (`digits`) first."""
    return tuple(dataset.name for dataset in registry.NAMED)


def own_names() -> tuple[str, ...]:
    """Names of the readers of a user's data, which need `data.path`."""
    return tuple(dataset.name for dataset in registry.OWN)


def own_sound_names() -> tuple[str, ...]:
    """Names of those that read recordings: from a folder, without an upload."""
    return tuple(dataset.name for dataset in registry.OWN_SOUND)


def first_with(keys: tuple[str, ...]) -> str:
    """The first data set that provides these batch keys: the default for a model family that needs them."""
    return next(name for name in names() if set(keys) <= set(get_spec(DataConfig(name=name)).provides))


def fields(name: str) -> tuple[str, ...]:
    """The fields of DataConfig, besides the name, that this data set uses."""
    return registry.find(name).fields


def get_spec(config: DataConfig) -> DataSpec:
    """What the data set provides; raises UnknownNameError, ConfigError, and DataError for a user's data."""
    return _checked(config).spec(config)


def missing(config: DataConfig) -> str | None:
    """None if the data can be loaded now, else one sentence: what is missing and how to get it."""
    return _checked(config).missing(config)


def download(name: str) -> str:
    """Download a data set into `data_root()` and return its path; raises DataError with the cause."""
    dataset = registry.find(name)
    if not isinstance(dataset, Downloadable):
        return f"data set {name!r} needs no download"
    with suppress(OSError):  # fetch() tries again and reports it
        data_root().mkdir(parents=True, exist_ok=True)
    leftovers.sweep(data_root(), *_INCOMPLETE)
    with leftovers.at_work(data_root()):
        if not dataset.locate():
            dataset.fetch()
        return str(dataset.locate())


def load(config: DataConfig, split: Split = "train", first: int | None = None) -> Arrays:
    """Read one split into memory, or its `first` examples; raises DataError if it is missing or damaged."""
    return _available(config).load(config, split, first)


def load_audio(config: DataConfig, split: Split = "train") -> Recordings:
    """Read one split of recordings into memory; raises DataError if it is missing or damaged."""
    return _available(config).load_audio(config, split)


def image_file_list(config: DataConfig, split: Split = "train") -> ImageFileList | None:
    """The split as a list of image files, none of them opened; None if it is not stored as image files."""
    return _available(config).image_file_list(split)


def class_counts(config: DataConfig, split: Split = "train") -> tuple[int, ...]:
    """Examples per class, in the order of `DataSpec.classes`; empty without classes. Decodes no image."""
    return _available(config).class_counts(config, split)


def prepared_inputs(config: DataConfig) -> dict[str, bytes]:
    """A user's single images that a run copies into its folder, by file name there.

    They are decoded, bounded and encoded again, so nothing else of the user's file is copied. Raises DataError.
    """
    return _checked(config).prepared_inputs(config)


def with_inputs(config: DataConfig, folder: Path) -> DataConfig:
    """The same configuration, with those images read from `folder`, where `prepared_inputs` was written to."""
    files = registry.find(config.name).input_files
    copies = {field: str(folder / name) for field, name in files.items() if (folder / name).is_file()}
    return config.replace(**copies) if copies else config


def _available(config: DataConfig) -> Dataset:
    """The data set, if it can be loaded now; raises DataError otherwise."""
    dataset = _checked(config)
    if problem := dataset.missing(config):
        raise DataError(problem)
    return dataset


def _checked(config: DataConfig) -> Dataset:
    """The data set, if it uses every field that is set; raises ConfigError otherwise."""
    dataset = registry.find(config.name)
    for field in [field for field in DataConfig.model_fields if field != "name"]:
        value = getattr(config, field)
        if value is not None and field not in dataset.fields:
            raise ConfigError(
                f"data.{field} = {value!r} does not apply to data set {config.name!r}, which "
                f"{'uses ' + ', '.join(dataset.fields) if dataset.fields else 'has no settings'}; set data.{field}=null"
            )
    return dataset
