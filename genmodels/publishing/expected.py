"""Expected metrics of a run: those of its own spec, or those of its recipe for the same data and other settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from genmodels import data, recipes, registry
from genmodels.config import FILLED, TrainConfig
from genmodels.evaluation import misses
from genmodels.recipes import Recipe, Spec

Bounds = Mapping[str, tuple[float | None, float | None]]


@dataclass(frozen=True)
class Expectation:
    """Expected metrics, and how the run's settings differ from the recipe's that they were stated for."""

    bounds: Bounds = field(default_factory=dict)
    differences: tuple[str, ...] = ()

    def verdict(self, metrics: Mapping[str, float]) -> str:
        """Whether the metrics are within their expected ranges, in one or two sentences."""
        if not self.bounds:
            return "No metrics are expected for these settings."
        missed = misses(metrics, self.bounds)
        result = f"Not reached: {'; '.join(missed)}." if missed else "Every expected metric is reached."
        if not self.differences:
            return result
        return f"The expected metrics are the recipe's; these settings differ: {', '.join(self.differences)}. {result}"


def expectation_of(spec: Spec, step: int) -> Expectation:
    """The spec's expected metrics, or those of its recipe or preset with the differences at `step`.

    Empty if the data differs, and if neither states any.
    """
    if spec.expect or spec.recipe not in recipes.names() or spec.recipe is None:
        return Expectation(spec.expect)
    recipe = recipes.get(spec.recipe)
    of_preset = recipe.presets.get(spec.preset or "", {}).get("expect")
    sections = recipes.merge(recipe, spec.preset if of_preset else None)
    bounds = of_preset or recipe.expect
    if not bounds or not _same_data(sections["data"], spec):
        return Expectation()
    return Expectation(bounds, (*_lengths(recipe, sections["train"], spec, step), *_settings(recipe, sections, spec)))


def _same_data(settings: Mapping[str, Any], spec: Spec) -> bool:
    """Whether the spec uses the recipe's data. A user's own files count wherever they are: recipes name no folder."""
    own = {settings["name"], spec.data.name} <= set(data.own_names())
    shape, size = spec.data_spec.image_shape, settings.get("size")
    return (
        (own or settings["name"] == spec.data.name)
        and (size is None or (shape is not None and shape[1:] == (size, size)))
        and all(getattr(spec.data, key) == settings[key] for key in settings if key not in ("name", "size", "path"))
    )


def _lengths(recipe: Recipe, settings: Mapping[str, Any], spec: Spec, step: int) -> list[str]:
    train = TrainConfig.parse(settings, "train.")
    steps = train.max_steps
    if steps is None:
        pairs = "image_a" in registry.config_class(recipe.family).batch_keys
        size = spec.data_spec.pairs if pairs else spec.data_spec.train_size
        steps = round((train.max_epochs or 0) * (size // train.batch_size))
    differences = [] if step == steps else [f"{step:,} steps instead of {steps:,}"]
    if spec.train.batch_size != train.batch_size:
        differences.append(f"batch size {spec.train.batch_size} instead of {train.batch_size}")
    if spec.train.initial_weights != train.initial_weights:
        differences.append(f"`initial_weights` {spec.train.initial_weights} instead of {train.initial_weights}")
    return differences


def _settings(recipe: Recipe, sections: Mapping[str, Mapping[str, Any]], spec: Spec) -> list[str]:
    """Differing settings of the model, without those that were added after the spec was written."""
    settings = registry.config_class(recipe.family).parse(sections["model"], "model.").model_dump(mode="json")
    return [
        f"`{key}` {spec.model[key]} instead of {value}"
        for key, value in settings.items()
        if key not in FILLED and key in spec.model and spec.model[key] != value
    ]
