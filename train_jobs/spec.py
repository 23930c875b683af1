"""Resolve a user's input to a frozen JobSpec. Imports no torch: every `submit` runs this."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from genmodels import recipes, registry
from genmodels.errors import ConfigError, UnknownNameError
from genmodels.recipes import Spec as JobSpec
from genmodels.runs import first_stage
from genmodels.runs.initial_weights import source_of

__all__ = ["JobSpec", "checked_name", "find_recipe", "make_spec"]


def find_recipe(recipe_or_family: str) -> recipes.Recipe:
    """The recipe of that name, else the defaults of the model family of that name; raises UnknownNameError."""
    if recipe_or_family in recipes.names():
        return recipes.get(recipe_or_family)
    if recipe_or_family in registry.names():
        return recipes.family(recipe_or_family)
    known = {*recipes.names(), *registry.names()}
    raise UnknownNameError("recipe or model", recipe_or_family, known, "`python -m genmodels recipes` lists recipes.")


def checked_name(name: str) -> str:
    """A run's name, stripped; raises ConfigError if it is not 1 to 80 printable characters."""
    name = name.strip()
    if not 1 <= len(name) <= 80 or not name.isprintable():
        raise ConfigError(f"run.name = {name!r} is not allowed: 1 to 80 printable characters; leave it out for none")
    return name


def make_spec(
    recipe_or_family: str,
    preset: str | None = None,
    assignments: Sequence[str] = (),
    data: str | None = None,
    *,
    name: str | None = None,
    device: str | None = None,
) -> JobSpec:
    """Resolve and freeze a job: recipe, then preset, then `assignments` such as "train.max_steps=500".

    `data`, `name` and `device` are the same as --set data.name, run.name and run.device.
    Raises UnknownNameError, ConfigError or DataError naming the field, its value and what is allowed.
    """
    patch = recipes.parse_overrides(list(assignments))
    for section, field, value in (("data", "name", data), ("run", "name", name), ("run", "device", device)):
        if value is None:
            continue
        assigned: Any = patch.setdefault(section, {}).setdefault(field, value)
        if assigned != value:
            raise ConfigError(f"{section}.{field} is given twice, as {assigned!r} and as {value!r}; give it once")
    run_name = patch.get("run", {}).get("name")
    if isinstance(run_name, str):
        patch["run"]["name"] = checked_name(run_name)
    spec = first_stage.filled(recipes.resolve(find_recipe(recipe_or_family), preset=preset, overrides=patch))
    if spec.train.initial_weights is not None:
        source_of(spec.train.initial_weights, spec.family)
    return spec
