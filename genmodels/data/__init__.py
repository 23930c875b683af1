"""Data sets by name. One module a data set; this file finds, describes and loads them.

A module here offers `SPEC: DataSpec`, `load(split) -> Arrays` and, where it may be missing, `located() -> str | None`
(where it was found) and `download()`. Importing one reads nothing and needs no torch.
"""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from types import ModuleType

from genmodels.data.spec import Arrays, DataConfig, DataSpec, Split
from genmodels.errors import DataError, UnknownNameError

__all__ = ["Arrays", "DataConfig", "DataSpec", "Split", "data_root", "download", "get_spec", "load", "missing", "names"]

_MODULES = {"digits": "digits", "mnist": "mnist", "pattern_1010": "pattern"}


def data_root() -> Path:
    """The folder data sets are found in and downloaded to: GENMODELS_DATA, or `data/` beside the project's code."""
    return Path(os.environ.get("GENMODELS_DATA") or Path(__file__).parents[2] / "data").expanduser()


def names() -> tuple[str, ...]:
    """Names of all data sets, the default (`digits`) first."""
    return tuple(_MODULES)


def get_spec(config: DataConfig) -> DataSpec:
    """What the chosen data set provides; raises UnknownNameError."""
    spec: DataSpec = _module(config.name).SPEC
    return spec


def missing(config: DataConfig) -> str | None:
    """None where the data can be loaded now, else one sentence: what is missing and how to get it."""
    module = _module(config.name)
    if not hasattr(module, "located") or module.located():
        return None
    return (
        f"data set {config.name!r} was not found in {data_root()} (the folder that GENMODELS_DATA names); "
        f"fetch it with `python -m genmodels download {config.name}` ({module.SPEC.download_mb:.0f} MB), "
        f"or train on --data digits, which needs no network"
    )


def download(name: str) -> str:
    """Fetch a data set into `data_root()` and return where it lies; raises DataError with the cause."""
    module = _module(name)
    if not hasattr(module, "download"):
        return f"data set {name!r} needs no download"
    if not module.located():
        module.download()
    return str(module.located())


def load(config: DataConfig, split: Split = "train") -> Arrays:
    """Read one split into memory; raises DataError where it is missing or damaged."""
    problem = missing(config)
    if problem:
        raise DataError(problem)
    arrays: Arrays = _module(config.name).load(split)
    return arrays


def _module(name: str) -> ModuleType:
    if name not in _MODULES:
        raise UnknownNameError("data set", name, _MODULES)
    return importlib.import_module(f"genmodels.data.{_MODULES[name]}")
