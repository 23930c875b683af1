"""The checkpoint or run that `train.initial_weights` names. Does not import torch."""

from __future__ import annotations

from genmodels import registry
from genmodels.errors import ConfigError, GenmodelsError
from genmodels.runs import catalog
from genmodels.runs.folder import RunFolder


def source_of(name: str, model: str) -> tuple[RunFolder, int]:
    """The folder and newest step of checkpoint `name`.

    Raises ConfigError if it is neither of the family `model` nor of one that can initialise it.
    """
    field = f"train.initial_weights = {name!r}"
    try:
        source = RunFolder(catalog.find(name))
        family, steps = source.spec().family, source.steps()
    except GenmodelsError as error:
        raise ConfigError(f"{field}: {error}") from error
    allowed = (model, *registry.config_class(model).initial_families)
    if family not in allowed:
        raise ConfigError(
            f"{field} is of the family {family!r}, not {' or '.join(map(repr, allowed))}: name a checkpoint of "
            f"{'the same family' if len(allowed) == 1 else 'one of these families'}, or leave it empty to train from "
            "scratch"
        )
    if not steps:
        raise ConfigError(f"{field} has no saved step yet: wait for its first, or leave it empty to train from scratch")
    return source, steps[-1]
