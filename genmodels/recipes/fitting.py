"""Which recipes fit a data set: their model gets what it needs, in the size that its networks are made for."""

from __future__ import annotations

from genmodels import data, recipes, registry
from genmodels.data import DataConfig
from genmodels.data.spec import DataSpec
from genmodels.errors import GenmodelsError

_DEFAULT = "mnist_vae_20"
"""Proposed for every set of its shape: it trains in a minute and has a page that explains it."""


def fits(name: str, spec: DataSpec) -> bool:
    """Whether the recipe `name` can be trained on this data without changes of its networks.

    The data must have the batch keys of the family, and images of the shape of the recipe's own data. If that is a
    folder of the user, only the size is known that the recipe scales its images to.
    """
    recipe = recipes.get(name)
    if not {*registry.config_class(recipe.family).batch_keys} <= {*spec.provides}:
        return False
    if str(recipe.data.get("name")) in data.own_names():
        size = recipe.data.get("size")
        return size is None or (spec.image_shape is not None and spec.image_shape[1:] == (size, size))
    try:
        own = data.get_spec(DataConfig.parse(recipe.data, "data."))
    except GenmodelsError:
        return False
    same_sound = (own.sample_rate is None) == (spec.sample_rate is None)
    return own.image_shape == spec.image_shape and same_sound


def fitting(spec: DataSpec) -> list[str]:
    """The recipes that fit, sorted: those of this very data set first."""
    names = [name for name in recipes.names() if fits(name, spec)]
    return sorted(names, key=lambda name: (recipes.get(name).data.get("name") != spec.name, name))


def proposed(spec: DataSpec) -> str | None:
    """The recipe to start with on this data; None if none fits."""
    names = fitting(spec)
    if _DEFAULT in names:
        return _DEFAULT
    with_preset = [name for name in names if "quick" in recipes.get(name).presets]
    return next(iter([*with_preset, *names]), None)
