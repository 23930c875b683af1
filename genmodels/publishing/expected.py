"""What was promised of a run's figures: by its own spec, or else by its recipe for other settings on the same data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from genmodels import data, recipes, registry
from genmodels.config import FROM_DATA, TrainConfig
from genmodels.evaluation import misses
from genmodels.recipes import Recipe, Spec

Bounds = Mapping[str, tuple[float | None, float | None]]


@dataclass(frozen=True)
class Promise:
    """Expected figures, and how the run's settings differ from those they were promised for; nothing: they do not."""

    expect: Bounds = field(default_factory=dict)
    differences: tuple[str, ...] = ()

    def verdict(self, figures: Mapping[str, float]) -> str:
        """In sentences: what was promised for which settings, and whether it was reached."""
        if not self.expect:
            return "Nothing was expected of these settings."
        missed = misses(figures, self.expect)
        reached = f"Not reached: {'; '.join(missed)}." if missed else "Every expected figure is reached."
        if not self.differences:
            return reached
        return f"What is expected is the recipe's, and these settings differ: {', '.join(self.differences)}. {reached}"


def promise_of(spec: Spec, step: int) -> Promise:
    """What the spec promises; else what its recipe, or its preset, does for the same data, with what differs at `step`.

    Empty for other data, and where neither promises anything.
    """
    if spec.expect or spec.recipe not in recipes.names() or spec.recipe is None:
        return Promise(spec.expect)
    recipe = recipes.get(spec.recipe)
    own = recipe.presets.get(spec.preset or "", {}).get("expect")
    sections = recipes.merge(recipe, spec.preset if own else None)
    expect = own or recipe.expect
    if not expect or not _same_data(sections["data"], spec):
        return Promise()
    return Promise(expect, (*_lengths(recipe, sections["train"], spec, step), *_settings(recipe, sections, spec)))


def _same_data(wanted: Mapping[str, Any], spec: Spec) -> bool:
    """Pictures of one's own are the same data wherever they lie: recipes for these name no folder."""
    own = {wanted["name"], spec.data.name} <= set(data.own_names())
    shape, size = spec.data_spec.image_shape, wanted.get("size")
    return (
        (own or wanted["name"] == spec.data.name)
        and (size is None or (shape is not None and shape[1:] == (size, size)))
        and all(getattr(spec.data, key) == wanted[key] for key in wanted if key not in ("name", "size", "path"))
    )


def _lengths(recipe: Recipe, train: Mapping[str, Any], spec: Spec, step: int) -> list[str]:
    wanted = TrainConfig.parse(train, "train.")
    steps = wanted.max_steps
    if steps is None:
        pairs = "image_a" in registry.config_class(recipe.family).batch_keys
        size = spec.data_spec.pairs if pairs else spec.data_spec.train_size
        steps = round((wanted.max_epochs or 0) * (size // wanted.batch_size))
    found = [] if step == steps else [f"{step:,} steps instead of {steps:,}"]
    if spec.train.batch_size != wanted.batch_size:
        found.append(f"batches of {spec.train.batch_size} instead of {wanted.batch_size}")
    if spec.train.initial_weights != wanted.initial_weights:
        found.append(f"`initial_weights` {spec.train.initial_weights} instead of {wanted.initial_weights}")
    return found


def _settings(recipe: Recipe, sections: Mapping[str, Mapping[str, Any]], spec: Spec) -> list[str]:
    """Settings of the model; those that are younger than the spec are passed over."""
    wanted = registry.config_class(recipe.family).parse(sections["model"], "model.").model_dump(mode="json")
    return [
        f"`{key}` {spec.config[key]} instead of {value}"
        for key, value in wanted.items()
        if key not in FROM_DATA and key in spec.config and spec.config[key] != value
    ]
