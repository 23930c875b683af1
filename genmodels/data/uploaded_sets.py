"""The user's uploaded data sets: packed HDF5 files in `own/` of the data root, each with a short name.

The studio writes these files itself (`upload.py`), so no untrusted file is parsed here.
"""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

from genmodels.data.root import data_root
from genmodels.data.spec import DataConfig
from genmodels.errors import ConfigError, DataError, UnknownNameError

MAX_TITLE = 60
_SUFFIX = ".h5"


def folder() -> Path:
    """The folder of the uploaded sets; it may not exist yet."""
    return data_root() / "own"


def names() -> tuple[str, ...]:
    """Short names of the uploaded sets, sorted."""
    try:
        return tuple(sorted(path.stem for path in folder().glob(f"[!.]*{_SUFFIX}") if path.is_file()))
    except OSError as error:
        raise DataError(f"{folder()} cannot be read: {error}. Make it readable, or move it away") from error


def name_from_title(title: str) -> str:
    """A title as a name for files and addresses: "My cats!" -> "my-cats"; raises ConfigError if none is left."""
    from genmodels.data import names as built_in
    from genmodels.data import own_names

    title = unicodedata.normalize("NFC", title).strip()
    if not 1 <= len(title) <= MAX_TITLE or not title.isprintable():
        raise ConfigError(f"the name {title[:80]!r} is not allowed: 1 to {MAX_TITLE} printable characters")
    name = re.sub(r"[\W_]+", "-", title.casefold()).strip("-")
    if not name:
        raise ConfigError(f"the name {title!r} has no letter and no digit; choose another one")
    reserved = {re.sub(r"_", "-", other) for other in (*built_in(), *own_names())}
    if name in reserved:
        raise ConfigError(f"the name {title!r} belongs to a data set of the studio; choose another one")
    return name


def path_of(name: str) -> Path:
    """The file of a set; raises UnknownNameError. Names come from addresses, so they are looked up, not trusted."""
    known = names()
    if name not in known:
        raise UnknownNameError("own data set", name, known)
    return folder() / f"{name}{_SUFFIX}"


def new_path(name: str) -> Path:
    """The path for a new set of this name; raises ConfigError if there is one already."""
    if name in names():
        raise ConfigError(f"there is a set called {name!r} already; choose another name, or delete that set first")
    return folder() / f"{name}{_SUFFIX}"


def config_of(name: str) -> DataConfig:
    """The configuration to train on the set; raises UnknownNameError."""
    return DataConfig(name="hdf5", path=str(path_of(name)))


def remove(name: str) -> None:
    """Delete the set permanently; runs trained on it stay. Raises UnknownNameError or DataError."""
    path = path_of(name)
    try:
        path.unlink()
    except OSError as error:
        raise DataError(f"{path} could not be deleted: {error}") from error
