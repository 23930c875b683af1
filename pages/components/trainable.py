"""The address of the Train page that fills its form with the settings of a run."""

from __future__ import annotations

import train_jobs
from genmodels import data, recipes, registry
from genmodels.config import TrainConfig
from genmodels.data import DataConfig, uploaded_sets
from genmodels.errors import GenmodelsError
from genmodels.recipes import Spec
from pages.components import config_form

_MAX_LENGTH = 4_000  # as the page accepts it
_LENGTHS = ("max_steps", "max_epochs")


def steps_per_epoch(spec: Spec) -> int:
    """Whole batches per pass over the data; pairs of a model of two image domains."""
    paired = "image_a" in registry.config_class(spec.family).batch_keys
    examples = spec.data_spec.pairs if paired else spec.data_spec.train_size
    return max(1, examples // spec.train.batch_size)


def query(spec: Spec) -> dict[str, str] | None:
    """Recipe, preset, data and changed settings as parameters of the page.

    None if the page does not offer the data, or if the settings are too long for an address.
    """
    data_name = _data_name(spec.data)
    if data_name is None:
        return None
    recipe = recipes.get(spec.recipe) if spec.recipe in recipes.names() and spec.recipe else recipes.family(spec.family)
    preset = spec.preset if spec.preset in recipe.presets else None
    sections = recipes.merge(recipe, preset)
    settings = registry.config_class(spec.family)
    # A setting that the family got after the run was submitted has its default.
    model = settings.parse(spec.model, "model.").model_dump(mode="json")
    names = {field.name for field in config_form.fields_of(settings)}
    assignments = [
        *config_form.assignments(
            "model",
            {name: value for name, value in model.items() if name in names},
            settings.parse(sections["model"], "model.").model_dump(mode="json"),
        ),
        *_train(spec, TrainConfig.parse(sections["train"], "train.")),
    ]
    text = "~~".join(part.replace("=", "~", 1) for part in assignments)
    if len(text) > _MAX_LENGTH:
        return None
    parameters = {"recipe": recipe.name, "preset": preset or "full", "data": data_name}
    return parameters | ({"set": text} if text else {})


def _train(spec: Spec, base: TrainConfig) -> list[str]:
    """The training settings that differ; the length in steps, unless it is that of the recipe."""
    own = spec.train.model_dump(mode="json")
    steps = base.max_steps or max(1, round((base.max_epochs or 0) * steps_per_epoch(spec)))
    entered = {name: value for name, value in own.items() if name not in _LENGTHS}
    if own["max_steps"] != steps:
        entered["max_steps"] = own["max_steps"]
    return config_form.assignments("train", entered, base.model_dump(mode="json"))


def _data_name(config: DataConfig) -> str | None:
    """The name of these data in the page's picker; None if it does not offer them, or they were deleted."""
    own_sound = () if train_jobs.public_mode() else data.own_sound_names()  # folders are not for visitors
    if config.name in (*data.names(), *own_sound):
        return config.name
    try:
        return next((name for name in uploaded_sets.names() if uploaded_sets.config_of(name).path == config.path), None)
    except GenmodelsError:
        return None
