"""The trained model that `model.first_stage` names, for models in two stages. Does not import torch."""

from __future__ import annotations

from genmodels import registry
from genmodels.config import FIRST_STAGE, FROM_DATA, FROM_FIRST_STAGE, ModelConfig
from genmodels.errors import ConfigError, GenmodelsError
from genmodels.recipes import Spec
from genmodels.runs import catalog
from genmodels.runs.folder import RunFolder


def filled(spec: Spec) -> Spec:
    """The spec with the settings of its first stage; the same spec if its family has none.

    Raises ConfigError if `model.first_stage` is empty, unknown, of another family, or of images of another shape.
    """
    config_class = registry.config_class(spec.family)
    if config_class.first_stage_family is None:
        return spec
    name = spec.model[FIRST_STAGE]
    if name is None:
        raise ConfigError(
            f"model.{FIRST_STAGE} is empty: name a published checkpoint or a run of the family "
            f"{config_class.first_stage_family!r}, for example --set model.{FIRST_STAGE}=mnist_vqvae"
        )
    of_stage = _folder_of(name, config_class).spec()
    if of_stage.data_spec.image_shape != spec.data_spec.image_shape:
        raise ConfigError(
            f"model.{FIRST_STAGE} = {name!r} was trained on images of shape {of_stage.data_spec.image_shape}, these "
            f"data have {spec.data_spec.image_shape}: choose the first stage's data, or another first stage"
        )
    own = registry.config_class(of_stage.family).parse(of_stage.model, "model.").model_dump(mode="json")
    settings = {key: own[key] for key in config_class.first_stage_settings if key not in FROM_DATA}
    model = config_class.parse({**spec.model, FROM_FIRST_STAGE: settings}, "model.")
    return spec.replace(model=model.model_dump(mode="json"))


def source_of(name: str, config_class: type[ModelConfig]) -> tuple[RunFolder, int]:
    """The folder and newest step of the first stage `name`. Raises ConfigError if it is of another family."""
    source = _folder_of(name, config_class)
    steps = source.steps()
    if not steps:
        raise ConfigError(f"model.{FIRST_STAGE} = {name!r} has no saved step yet: train it first")
    return source, steps[-1]


def _folder_of(name: str, config_class: type[ModelConfig]) -> RunFolder:
    field = f"model.{FIRST_STAGE} = {name!r}"
    try:
        source = RunFolder(catalog.find(name))
        family = source.spec().family
    except GenmodelsError as error:
        raise ConfigError(f"{field}: {error}") from error
    if family != config_class.first_stage_family:
        raise ConfigError(
            f"{field} is of the family {family!r}, not {config_class.first_stage_family!r}: name a checkpoint or run "
            "of that family"
        )
    return source
