"""Genmodels: the classic generative models, each one file, and what it takes to train, keep and explore them.

    import genmodels
    model = genmodels.load("mnist_vae_20")
    images = model.decode(genmodels.latent.z_of_seeds([0, 1, 2], model.latent_dim))

Names are imported when first used (PEP 562): `import genmodels` costs no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from genmodels import capabilities, catalog, checkpoint, data, evaluation, latent, recipes, registry
    from genmodels.catalog import (
        CheckpointInfo,
        ModelInfo,
        RecipeInfo,
        list_checkpoints,
        list_models,
        list_recipes,
        load,
    )
    from genmodels.config import ModelConfig, TrainConfig
    from genmodels.errors import GenmodelsError
    from genmodels.images import preview, tiled
    from genmodels.model import Batch, Metrics, Model
    from genmodels.registry import register
    from genmodels.training.trainer import Trainer

_WHERE = {
    "CheckpointInfo": "catalog",
    "ModelInfo": "catalog",
    "RecipeInfo": "catalog",
    "list_checkpoints": "catalog",
    "list_models": "catalog",
    "list_recipes": "catalog",
    "load": "catalog",
    "ModelConfig": "config",
    "TrainConfig": "config",
    "GenmodelsError": "errors",
    "Batch": "model",
    "Metrics": "model",
    "Model": "model",
    "register": "registry",
    "Trainer": "training.trainer",
}
_MODULES = {
    "capabilities": "capabilities",
    "catalog": "catalog",
    "checkpoint": "checkpoint",
    "data": "data",
    "evaluation": "evaluation",
    "latent": "latent",
    "preview": "images.preview",
    "recipes": "recipes",
    "registry": "registry",
    "tiled": "images.tiled",
}

__all__ = [
    "Batch",
    "CheckpointInfo",
    "GenmodelsError",
    "Metrics",
    "Model",
    "ModelConfig",
    "ModelInfo",
    "RecipeInfo",
    "TrainConfig",
    "Trainer",
    "capabilities",
    "catalog",
    "checkpoint",
    "data",
    "evaluation",
    "latent",
    "list_checkpoints",
    "list_models",
    "list_recipes",
    "load",
    "preview",
    "recipes",
    "register",
    "registry",
    "tiled",
]


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(importlib.import_module(f"genmodels.{_WHERE[name]}"), name)
    if name in _MODULES:
        return importlib.import_module(f"genmodels.{_MODULES[name]}")
    raise AttributeError(f"module 'genmodels' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
