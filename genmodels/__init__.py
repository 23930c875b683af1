"""Classic generative models, one file per paper, with everything to train, publish and explore them.

    import genmodels
    model = genmodels.load("mnist_vae_20")
    images = model.decode(genmodels.latent.z_of_seeds([0, 1, 2], model.latent_dim))

Names are imported on first use (PEP 562): `import genmodels` does not import torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # for type checkers: the same names as in _EXPORTS
    from genmodels import capabilities as capabilities
    from genmodels import data as data
    from genmodels import evaluation as evaluation
    from genmodels import latent as latent
    from genmodels import recipes as recipes
    from genmodels import registry as registry
    from genmodels.config import ModelConfig as ModelConfig
    from genmodels.config import TrainConfig as TrainConfig
    from genmodels.errors import GenmodelsError as GenmodelsError
    from genmodels.images import preview as preview
    from genmodels.images import tiled as tiled
    from genmodels.model import Batch as Batch
    from genmodels.model import Metrics as Metrics
    from genmodels.model import Model as Model
    from genmodels.registry import register as register
    from genmodels.runs import catalog as catalog
    from genmodels.runs import checkpoint as checkpoint
    from genmodels.runs.catalog import CheckpointInfo as CheckpointInfo
    from genmodels.runs.catalog import ModelInfo as ModelInfo
    from genmodels.runs.catalog import RecipeInfo as RecipeInfo
    from genmodels.runs.catalog import list_checkpoints as list_checkpoints
    from genmodels.runs.catalog import list_models as list_models
    from genmodels.runs.catalog import list_recipes as list_recipes
    from genmodels.runs.catalog import load as load
    from genmodels.training.trainer import Trainer as Trainer

_EXPORTS = {
    "": ("capabilities", "data", "evaluation", "latent", "recipes", "registry"),
    "images": ("preview", "tiled"),
    "runs": ("catalog", "checkpoint"),
    "runs.catalog": (
        "CheckpointInfo",
        "ModelInfo",
        "RecipeInfo",
        "list_checkpoints",
        "list_models",
        "list_recipes",
        "load",
    ),
    "config": ("ModelConfig", "TrainConfig"),
    "errors": ("GenmodelsError",),
    "model": ("Batch", "Metrics", "Model"),
    "registry": ("register",),
    "training.trainer": ("Trainer",),
}
_PACKAGES = ("", "images", "runs")
"""Their exports are modules."""
_HOMES = {name: home for home, names in _EXPORTS.items() for name in names}
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'genmodels' has no attribute {name!r}")
    home = ".".join(filter(None, ("genmodels", _HOMES[name])))
    if _HOMES[name] in _PACKAGES:
        return importlib.import_module(f"{home}.{name}")
    return getattr(importlib.import_module(home), name)


def __dir__() -> list[str]:
    return __all__
