"""Data sets by name. One module a data set; this file finds, describes and loads them.

A module offers `SPEC: DataSpec` and `load(split) -> Arrays`; where the set may be missing, `located() -> str | None`
(where it was found) and `download()`. A set that can be sized, or is the user's own, offers instead `FIELDS` (the
fields of DataConfig it heeds), `spec(config)`, `read(config, split, first)` and `class_counts(config, split)`; with a
path of the user's also `problem(config)`; with single pictures that a run copies, `prepared(config)` and INPUTS, the
file names of the copies by field. A module of several sets offers `fetch(name)` instead of `download()`;
one that may lie there as picture files also `listed(split) -> Listed | None`. Of
recordings, `load` and `read` return Recordings: they are asked for with `load_audio`.
Importing one reads nothing and needs no torch.
"""

from __future__ import annotations

import importlib
import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from genmodels import leftovers
from genmodels.data.spec import Arrays, DataConfig, DataSpec, Recordings, Split
from genmodels.errors import ConfigError, DataError, UnknownNameError

if TYPE_CHECKING:
    from genmodels.data.sources import Listed

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
    "how_to_get",
    "listed",
    "load",
    "load_audio",
    "missing",
    "names",
    "own_names",
    "own_sound_names",
    "prepared_inputs",
    "with_inputs",
]

_MODULES = {
    "digits": "sets.digits",
    "mnist": "sets.mnist",
    "fashion_mnist": "sets.fashion_mnist",
    "cifar10": "sets.cifar10",
    "celeba": "sets.celeba",
    "pattern_1010": "sets.pattern_1010",
    "digits2inverted": "sets.digits2inverted",
    "striped_digits": "sets.striped_digits",
    "horse2zebra": "sets.unpaired_sets",
    "apple2orange": "sets.unpaired_sets",
    "summer2winter_yosemite": "sets.unpaired_sets",
    "monet2photo": "sets.unpaired_sets",
    "facades": "sets.unpaired_sets",
    "daisy2sunflower": "sets.unpaired_sets",
    "tones": "sets.tones",
    "fsdd": "sets.fsdd",
    "fsdd_spectrograms": "sets.fsdd_spectrograms",
}
_OWN = {
    "image_folder": "image_folder",
    "hdf5": "hdf5",
    "unpaired": "unpaired",
    "style_pair": "style_pair",
    "audio_folder": "audio_folder",
}
_OWN_SOUND = ("audio_folder",)
_HALF_MADE = (".fsdd*", ".*.part", ".*.tmp", "cifar-10-batches-bin/.*.tmp", "flower_photos/*/.*.tmp")
"""What a download that was killed leaves in the data folder."""


def data_root() -> Path:
    """The folder data sets are found in and downloaded to: GENMODELS_DATA, or `data/` beside the project's code."""
    return Path(os.environ.get("GENMODELS_DATA") or Path(__file__).parents[2] / "data").expanduser()


def names() -> tuple[str, ...]:
    """Names of all data sets that a name alone chooses, the default (`digits`) first."""
    return tuple(_MODULES)


def own_names() -> tuple[str, ...]:
    """Names of the kinds of a user's own sets, which need `data.path`."""
    return tuple(_OWN)


def own_sound_names() -> tuple[str, ...]:
    """Those of them that hold recordings: a folder is named, nothing is uploaded."""
    return _OWN_SOUND


def first_with(keys: tuple[str, ...]) -> str:
    """The first set that provides these batch keys: what a family is offered before somebody chooses."""
    return next(name for name in names() if set(keys) <= set(get_spec(DataConfig(name=name)).provides))


def fields(name: str) -> tuple[str, ...]:
    """The fields of DataConfig, besides the name, that this set heeds."""
    return tuple(getattr(_module(name), "FIELDS", ()))


def get_spec(config: DataConfig) -> DataSpec:
    """What the chosen data set provides; raises UnknownNameError, ConfigError, and DataError for a user's own."""
    module = _checked(config)
    spec: DataSpec = module.spec(config) if hasattr(module, "spec") else module.SPEC
    return spec


def missing(config: DataConfig) -> str | None:
    """None where the data can be loaded now, else one sentence: what is missing and how to get it."""
    module = _checked(config)
    if hasattr(module, "problem"):
        problem: str | None = module.problem(config)
        return problem
    if not hasattr(module, "located") or module.located():
        return None
    return how_to_get(config, getattr(module, "TERMS", ""))


def how_to_get(config: DataConfig, terms: str = "") -> str:
    """One sentence: that the set is missing, and how to fetch it."""
    spec = get_spec(config)
    return (
        f"data set {config.name!r} was not found in {data_root()} (the folder that GENMODELS_DATA names); "
        f"fetch it with `python -m genmodels download {config.name}` ({spec.download_mb:.0f} MB), "
        f"or train on --data {_without_download(spec)}, which needs no network"
        f"{'. ' if terms else ''}{terms}"
    )


def _without_download(spec: DataSpec) -> str:
    return "tones" if spec.sample_rate else "digits2inverted" if spec.pairs else "digits"


def download(name: str) -> str:
    """Fetch a data set into `data_root()` and return where it lies; raises DataError with the cause."""
    module = _module(name)
    if not hasattr(module, "fetch") and not hasattr(module, "download"):
        return f"data set {name!r} needs no download"
    with suppress(OSError):  # the data set's own function tries again and reports it
        data_root().mkdir(parents=True, exist_ok=True)
    leftovers.sweep(data_root(), *_HALF_MADE)
    with leftovers.at_work(data_root()):
        if hasattr(module, "fetch"):
            return str(module.fetch(name))
        if not module.located():
            module.download()
        return str(module.located())


def load(config: DataConfig, split: Split = "train", first: int | None = None) -> Arrays:
    """Read one split into memory, or its `first` examples; raises DataError where it is missing or damaged."""
    module = _ready(config, audio=False)
    if hasattr(module, "read"):
        own: Arrays = module.read(config, split, first)
        return own
    arrays: Arrays = module.load(split)
    return arrays if first is None else replace(arrays, images=arrays.images[:first], labels=arrays.labels[:first])


def prepared_inputs(config: DataConfig) -> dict[str, bytes]:
    """A user's own few pictures that a run needs for itself, by the file name they are to have in its folder.

    Decoded, bounded and written anew: nothing of what a file claimed is kept. Raises DataError.
    """
    module = _checked(config)
    found: dict[str, bytes] = module.prepared(config) if hasattr(module, "prepared") else {}
    return found


def with_inputs(config: DataConfig, folder: Path) -> DataConfig:
    """The same choice with those pictures taken from `folder`, where `prepared_inputs` was written to."""
    names: dict[str, str] = getattr(_module(config.name), "INPUTS", {})
    copies = {field: str(folder / name) for field, name in names.items() if (folder / name).is_file()}
    return config.replace(**copies) if copies else config


def load_audio(config: DataConfig, split: Split = "train") -> Recordings:
    """Read one split of recordings into memory; raises DataError where it is missing or damaged."""
    module = _ready(config, audio=True)
    recordings: Recordings = module.read(config, split, None) if hasattr(module, "read") else module.load(split)
    return recordings


def _ready(config: DataConfig, *, audio: bool) -> ModuleType:
    """The set's module; raises DataError where it is not here, or holds the other kind of thing."""
    problem = missing(config)
    if problem:
        raise DataError(problem)
    if (get_spec(config).sample_rate is not None) != audio:
        held, asked = ("pictures", "recordings") if audio else ("recordings", "pictures")
        raise DataError(f"data set {config.name!r} holds {held}, and {asked} were asked for; choose another set")
    return _module(config.name)


def listed(config: DataConfig, split: Split = "train") -> Listed | None:
    """The split where it lies there as picture files, none of them opened; None where it is read in one piece."""
    problem = missing(config)
    if problem:
        raise DataError(problem)
    module = _module(config.name)
    found: Listed | None = module.listed(split) if hasattr(module, "listed") else None
    return found


def class_counts(config: DataConfig, split: Split = "train") -> tuple[int, ...]:
    """Examples of each class, in the order of `DataSpec.classes`; empty without classes. Decodes no picture."""
    problem = missing(config)
    if problem:
        raise DataError(problem)
    module = _module(config.name)
    if hasattr(module, "class_counts"):
        counts: tuple[int, ...] = module.class_counts(config, split)
        return counts
    classes = module.SPEC.num_classes
    return tuple(np.bincount(module.load(split).labels, minlength=classes).tolist()) if classes else ()


def _checked(config: DataConfig) -> ModuleType:
    module = _module(config.name)
    heeded = fields(config.name)
    for field in [field for field in DataConfig.model_fields if field != "name"]:
        value = getattr(config, field)
        if value is not None and field not in heeded:
            raise ConfigError(
                f"data.{field} = {value!r} does not apply to data set {config.name!r}, which "
                f"{'heeds ' + ', '.join(heeded) if heeded else 'comes as it is'}; set data.{field}=null"
            )
    return module


def _module(name: str) -> ModuleType:
    known = _MODULES | _OWN
    if name not in known:
        raise UnknownNameError("data set", name, known)
    return importlib.import_module(f"genmodels.data.{known[name]}")
