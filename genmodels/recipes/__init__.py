"""Recipes: one experiment per YAML file: model family, settings of model, data and training, and its source.

`resolve` turns a recipe, a preset and `--set` overrides into a validated Spec with the data's shape and the number of
steps. It does not import torch.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field

from genmodels import data, registry
from genmodels.config import FILLED, FIRST_STAGE, FROM_DATA, Frozen, ModelConfig, RunConfig, TrainConfig, text_fields
from genmodels.data import DataConfig, DataSpec
from genmodels.errors import ConfigError, DataError, UnknownNameError

FOLDER = Path(__file__).parent
SECTIONS = ("model", "data", "train", "run")
_TEXT = {
    "model": frozenset({FIRST_STAGE}),
    "data": text_fields(DataConfig),
    "train": text_fields(TrainConfig),
    "run": text_fields(RunConfig),
}
"""Text fields by section. A model's other text fields only take words of a fixed list, none of them a number."""


class Recipe(Frozen):
    """A recipe file as written. `model`, `data` and `train` may be partial; missing settings take their defaults."""

    name: str
    title: str
    description: str = Field(description="what it shows, in one or two sentences")
    source: str
    family: str = Field(description="name of the model family")
    model: dict[str, Any] = Field({}, description="settings of the model")
    data: dict[str, Any]
    train: dict[str, Any]
    expect: dict[str, tuple[float | None, float | None]] = Field({}, description="metric: [low, high]")
    presets: dict[str, dict[str, dict[str, Any]]] = Field(
        {}, description="changes by section; `expect` there: the preset's own expected metrics, none if not given"
    )


class Spec(Frozen):
    """A resolved experiment: independent of defaults and recipe files."""

    recipe: str | None = None
    preset: str | None = None
    title: str = Field(max_length=300)
    source: str = Field("", max_length=2_000)
    family: str = Field(description="name of the model family")
    model: dict[str, Any] = Field(description="settings of the model")
    data: DataConfig
    data_spec: DataSpec
    train: TrainConfig
    run: RunConfig
    expect: dict[str, tuple[float | None, float | None]] = Field({}, description="metric: [low, high]")


def names() -> tuple[str, ...]:
    """The sorted names of all recipes."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.yaml")))


@cache
def get(name: str) -> Recipe:
    """The recipe `name`. Raises UnknownNameError."""
    if name not in names():
        raise UnknownNameError("recipe", name, names(), "`python -m genmodels recipes` lists them.")
    path = FOLDER / f"{name}.yaml"
    return Recipe.parse({"name": name, **yaml.safe_load(path.read_text(encoding="utf-8"))}, prefix=f"{path.name}: ")


def family(model: str) -> Recipe:
    """A recipe of the family's defaults. Raises UnknownNameError."""
    batch_keys = registry.config_class(model).batch_keys
    return Recipe(
        name=model,
        title=model,
        description="The defaults of the model family.",
        source="defaults of the family",
        family=model,
        data={"name": data.first_with(batch_keys)},
        train={"max_epochs": 10},
    )


def parse_overrides(assignments: list[str]) -> dict[str, dict[str, Any]]:
    """Nested values of assignments such as `["train.max_steps=500", "model.lr=1e-3"]`.

    Raises ConfigError with the first assignment that cannot be parsed.
    """
    patch: dict[str, dict[str, Any]] = {}
    for assignment in assignments:
        path, equals, text = assignment.partition("=")
        section, _, field = path.strip().partition(".")
        if not equals or section not in SECTIONS or not field:
            raise ConfigError(
                f"--set {assignment!r} is not understood; write SECTION.FIELD=VALUE "
                f"with SECTION one of {', '.join(SECTIONS)}, for example --set train.max_steps=500"
            )
        patch.setdefault(section, {})[field] = _value(text, field in _TEXT.get(section, ()))
    return patch


def _value(text: str, is_text: bool = False) -> Any:
    """The value of a text: JSON if it parses, otherwise the text itself (`off`).

    For a text field, only `null` and JSON strings are parsed: `2024`, `1e3` and `true` remain text.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text.strip()
    return text.strip() if is_text and not (value is None or isinstance(value, str)) else value


def merge(
    recipe: Recipe, preset: str | None = None, overrides: Mapping[str, Mapping[str, Any]] | None = None
) -> dict[str, dict[str, Any]]:
    """The settings of a recipe by section, updated by the preset and then by the overrides. Not validated."""
    sections: dict[str, dict[str, Any]] = {
        "model": dict(recipe.model),
        "data": dict(recipe.data),
        "train": dict(recipe.train),
        "run": {},
    }
    if preset is not None and preset not in recipe.presets:
        raise UnknownNameError(f"preset of {recipe.name}", preset, recipe.presets)
    changes = recipe.presets[preset] if preset else {}
    for patch in ({key: changes[key] for key in changes if key != "expect"}, overrides or {}):
        for section, values in patch.items():
            if section not in SECTIONS:
                raise UnknownNameError("section", section, SECTIONS)
            if section == "train" and {"max_steps", "max_epochs"} & values.keys():
                sections["train"].pop("max_steps", None)
                sections["train"].pop("max_epochs", None)
            if section == "data" and values.get("name", sections["data"].get("name")) != sections["data"].get("name"):
                sections["data"].clear()  # path and size belong to the data set they were chosen for
            sections[section].update(values)
    return sections


def resolve(
    recipe: Recipe,
    *,
    preset: str | None = None,
    overrides: Mapping[str, Mapping[str, Any]] | None = None,
    require_data: bool = True,
) -> Spec:
    """The Spec of a recipe, updated by the preset and then by overrides such as `{"train": {"max_steps": 500}}`.

    Without `require_data`, the data may be missing: a model can be built and timed, not trained. Raises ConfigError
    with the field, its value and the allowed range, and DataError if the data is missing: before a job is queued, not
    in the worker.
    """
    sections = merge(recipe, preset, overrides)
    data_config = DataConfig.parse(sections["data"], "data.")
    spec = data.get_spec(data_config)
    problem = data.missing(data_config) if require_data else None
    if problem:
        raise DataError(problem)
    config = _fit_to_data(recipe.family, sections["model"], spec)
    train = _count_steps(TrainConfig.parse(sections["train"], "train."), _epoch_size(recipe.family, spec), spec)
    config.check_steps(train.max_steps or 0)
    config.check_batch_size(train.batch_size)
    return Spec(
        recipe=recipe.name if recipe.name in names() else None,
        preset=preset,
        title=recipe.title,
        source=recipe.source,
        family=recipe.family,
        model=config.model_dump(mode="json"),
        data=data_config,
        data_spec=spec,
        train=train,
        run=RunConfig.parse(sections["run"], "run."),
        expect=_expected(recipe, preset, sections),
    )


def _expected(
    recipe: Recipe, preset: str | None, sections: Mapping[str, Mapping[str, Any]]
) -> Mapping[str, tuple[float | None, float | None]]:
    """Expected metrics of the recipe or the preset; none if model, data or length of the training differ."""
    candidates = [(recipe.expect, merge(recipe, None, None))]
    if preset and "expect" in recipe.presets[preset]:
        candidates.append((recipe.presets[preset]["expect"], merge(recipe, preset, None)))
    decisive = ("max_steps", "max_epochs", "batch_size", "initial_weights")
    for expect, whole in candidates:
        train = [[part["train"].get(key) for key in decisive] for part in (sections, whole)]
        if sections["model"] == whole["model"] and sections["data"] == whole["data"] and train[0] == train[1]:
            return expect
    return {}


def command_of(spec: Spec) -> str:
    """The command that submits the same experiment again, with `--set` for what differs from its recipe."""
    known = spec.recipe in names()
    recipe = get(spec.recipe) if known and spec.recipe else family(spec.family)
    # The recipe's batch may exceed a small data set, and its settings may require more steps than this training has.
    train = {"max_steps": 100_000_000, "batch_size": spec.train.batch_size}
    # The name is always set: DataConfig's default is not the recipe's data set.
    own = {"name": spec.data.name, **spec.data.model_dump(mode="json", exclude_defaults=True)}
    patch = {"data": own, "train": train}
    base = resolve(recipe, preset=spec.preset, overrides=patch)
    plain = merge(recipe, spec.preset, None)
    words = ["python -m train_jobs submit", recipe.name]
    words += [f"--preset {spec.preset}"] if spec.preset else []
    if spec.data != DataConfig.parse(plain["data"], "data."):
        words += [f"--set data.{key}={_format_value(value)}" for key, value in patch["data"].items()]
    # A setting added after the spec was written has its default there, whatever the recipe says today.
    config = registry.config_class(spec.family).parse(spec.model, "model.").model_dump(mode="json")
    words += [
        f"--set model.{key}={_format_value(value)}"
        for key, value in config.items()
        if key not in FILLED and value != base.model[key]
    ]
    lengths = TrainConfig.parse(plain["train"], "train.")
    size = _epoch_size(spec.family, spec.data_spec)
    counted = _count_steps(lengths, size, spec.data_spec) if lengths.batch_size == spec.train.batch_size else None
    for key, value in spec.train.model_dump(mode="json").items():
        usual = base.train.model_dump(mode="json")[key]
        if key in ("max_steps", "batch_size"):
            usual = getattr(counted, key, None) if key == "max_steps" else lengths.batch_size
        if value != usual:
            words.append(f"--set train.{key}={_format_value(value)}")
    return " ".join(words)


def _format_value(value: Any) -> str:
    """The value unquoted if `parse_overrides` returns the same value, otherwise as JSON."""
    bare = isinstance(value, str) and _value(value) == value
    return shlex.quote(value if bare else json.dumps(value, separators=(",", ":")))


def _fit_to_data(model: str, values: Mapping[str, Any], spec: DataSpec) -> ModelConfig:
    config_class = registry.config_class(model)
    lacking = [key for key in config_class.batch_keys if key not in spec.provides]
    if lacking:
        raise ConfigError(
            f"model {model!r} is trained on {' and '.join(config_class.batch_keys)}, but data set {spec.name!r} "
            f"provides {' and '.join(spec.provides)} only; choose other data with --data"
        )
    config = config_class.parse(values, "model.")
    filled = {field: getattr(spec, field) for field in FROM_DATA if field in config_class.model_fields}
    for field, data_value in filled.items():
        setting = getattr(config, field)
        if setting is not None and setting != data_value:
            raise ConfigError(
                f"model.{field} = {setting!r} does not fit data set {spec.name!r}, which has {data_value!r}; "
                f"leave model.{field} empty to take the data's, or choose other data with --data"
            )
    return config.replace(**filled)


def _epoch_size(model: str, spec: DataSpec) -> int:
    """Examples per epoch: pairs for a model of two image domains."""
    return spec.pairs if "image_a" in registry.config_class(model).batch_keys else spec.train_size


def _count_steps(train: TrainConfig, size: int, spec: DataSpec) -> TrainConfig:
    if (train.max_steps is None) == (train.max_epochs is None):
        raise ConfigError(
            f"set exactly one of train.max_steps (now {train.max_steps}) and train.max_epochs (now {train.max_epochs})"
        )
    if train.batch_size > size:
        raise ConfigError(
            f"train.batch_size = {train.batch_size} is more than the {size:,} training examples "
            f"of {spec.name!r}; choose 1 to {size:,}"
        )
    if train.max_epochs is None:
        return train
    # The last, partial batch of an epoch is dropped.
    steps = max(1, round(train.max_epochs * (size // train.batch_size)))
    return train.replace(max_steps=steps, max_epochs=None)
