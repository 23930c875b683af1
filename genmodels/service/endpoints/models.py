"""The models by name: what each can do, its saved steps and its classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from genmodels.runs import catalog
from genmodels.runs.catalog import CheckpointInfo
from genmodels.service.inference import plain


@dataclass(frozen=True)
class ModelFacts:
    """What the controls for a model need: its saved steps, its classes to condition on, and the dimension of z."""

    steps: tuple[int, ...]
    classes: tuple[str, ...]
    latent_dim: int | None


def models() -> list[dict[str, Any]]:
    """Name, title, capabilities and saved steps of each model: published ones first, then runs."""
    return [
        {
            "name": info.name,
            "title": info.label,
            "capabilities": list(info.capabilities),
            "steps": list(info.steps),
        }
        for info in catalog.list_checkpoints()
    ]


def describe(name: str) -> ModelFacts:
    """The facts of a model; raises UnknownNameError and CheckpointError."""
    info = info_of(name)
    return ModelFacts(info.steps, info.condition_names, info.latent_dim)


def info_of(name: str) -> CheckpointInfo:
    """The catalog's entry of a model; raises UnknownNameError and CheckpointError."""
    return catalog.describe(catalog.find(plain(name)))
