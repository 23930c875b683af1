"""Where `train.initial_weights` points: the checkpoint or run whose weights a training begins with. No torch."""

from __future__ import annotations

from genmodels import catalog
from genmodels.errors import ConfigError, GenmodelsError
from genmodels.runfolder import RunFolder


def source_of(name: str, model: str) -> tuple[RunFolder, int]:
    """Its folder and newest step, of the family `model`; raises ConfigError saying what is wrong with the name."""
    field = f"train.initial_weights = {name!r}"
    try:
        source = RunFolder(catalog.find(name))
        family, steps = source.spec().model, source.steps()
    except GenmodelsError as error:
        raise ConfigError(f"{field}: {error}") from error
    if family != model:
        raise ConfigError(
            f"{field} is of the family {family!r}, and this is {model!r}: name a checkpoint of the same family, or "
            "leave it empty to begin anew"
        )
    if not steps:
        raise ConfigError(f"{field} has saved no step yet: wait for its first, or leave it empty to begin anew")
    return source, steps[-1]
