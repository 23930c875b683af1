"""Changed settings of the Train page in its address: `?set=model.generator_lr~0.0002~~train.max_epochs~3`.

Settings of the model and of the training only: the name of a run, a device and a folder are the visitor's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from genmodels import registry
from genmodels.config import Frozen, TrainConfig
from genmodels.errors import GenmodelsError
from genmodels.recipes import parse_overrides
from pages.components import address, config_form
from pages.components.i18n import t
from pages.parts.train.training_choice import Choice

_SECTIONS = ("model", "train")
_MAX_LENGTH = 4_000  # longer addresses are cut by mail programs and by some servers


def requested(choice: Choice, base: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]] | None:
    """The settings that the address requests, by section; {} if it leaves them out, None if it has not changed.

    `base` are the settings of recipe and preset.
    """
    left_out = address.left_out("train", ["set"])
    problem = address.problem("set", t("train.set_allowed"))
    found = address.requested("train", "set", lambda text: _parse(text, choice, base), problem)
    return {} if found is None and left_out else found


def write(assignments: Iterable[str]) -> None:
    """Write changed settings, given as arguments of `--set`, to the address."""
    parts = [part.replace("=", "~", 1) for part in assignments if part.partition(".")[0] in _SECTIONS]
    text = "~~".join(parts)
    address.write("train", "set", text if text and len(text) <= _MAX_LENGTH else None)


def _parse(text: str, choice: Choice, base: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    classes: dict[str, type[Frozen]] = {"model": registry.config_class(choice.recipe.family), "train": TrainConfig}
    try:
        values = parse_overrides([part.replace("~", "=", 1) for part in text[:_MAX_LENGTH].split("~~")])
        for section, entered in values.items():
            if section not in classes or not entered.keys() <= _names(section, classes):
                raise ValueError(text)
            classes[section].parse({**base[section], **_without_other_length(entered)}, f"{section}.")
    except GenmodelsError as error:
        raise ValueError(text) from error
    return values


def _names(section: str, classes: Mapping[str, type[Frozen]]) -> set[str]:
    return {field.name for field in config_form.fields_of(classes[section])}


def _without_other_length(entered: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with the length in only one unit, as the configuration requires."""
    other = {"max_steps": "max_epochs", "max_epochs": "max_steps"}
    return {**entered, **{other[name]: None for name in other if name in entered}}
