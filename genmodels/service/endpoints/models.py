"""The models by name: what each can do, its saved steps and its classes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from genmodels.runs import catalog
from genmodels.runs.catalog import CheckpointInfo
from genmodels.runs.folder import RunFolder
from genmodels.service import classify, compare, conditional, latent, manifold, paint, speak, stylize, translate
from genmodels.service.inference import plain

DIGIT = (1, 28, 28)
"""Channels, height and width of a digit."""


@dataclass(frozen=True)
class ModelFacts:
    """What the controls for a model need: its saved steps, its classes to condition on, and the dimension of z."""

    steps: tuple[int, ...]
    classes: tuple[str, ...]
    latent_dim: int | None


def list_models() -> list[dict[str, Any]]:
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


def of_tab(tab: str) -> tuple[CheckpointInfo, ...]:
    """The checkpoints and runs that a tab of the Gradio interface offers; raises KeyError for an unknown tab."""
    return _LISTS[tab]()


def _classifying() -> tuple[CheckpointInfo, ...]:
    """Those that classify images; the most accurate digit classifiers first."""
    digits = classify.classifiers()[::-1]
    return (*digits, *(info for info in catalog.list_checkpoints() if info not in digits and classifies_images(info)))


def _reconstructing() -> tuple[CheckpointInfo, ...]:
    """Those that encode an image without a condition and decode it again."""
    return tuple(
        info
        for info in catalog.list_checkpoints()
        if info.image_shape is not None
        and not info.conditions
        and ({"encoding", "latent"} <= {*info.capabilities} or info.capabilities == ("codes",))
    )


def _completing_digits() -> tuple[CheckpointInfo, ...]:
    return tuple(info for info in paint.checkpoints() if info.image_shape == DIGIT)


_LISTS: dict[str, Callable[[], tuple[CheckpointInfo, ...]]] = {
    "sample": compare.checkpoints,
    "latent": latent.latent_checkpoints,
    "interpolation": latent.latent_checkpoints,
    "arithmetic": latent.latent_checkpoints,
    "conditional": conditional.checkpoints,
    "classify": _classifying,
    "reconstruct": _reconstructing,
    "manifold": manifold.checkpoints,
    "translate": translate.checkpoints,
    "stylize": stylize.checkpoints,
    "complete": _completing_digits,
    "speak": speak.checkpoints,
}


def classifies_images(info: CheckpointInfo) -> bool:
    """Whether a model classifies images, and not recordings."""
    return "classification" in info.capabilities and RunFolder(info.path).spec().data_spec.sample_rate is None


def describe(name: str) -> ModelFacts:
    """The facts of a model; raises UnknownNameError and CheckpointError."""
    info = info_of(name)
    return ModelFacts(info.steps, info.condition_names, info.latent_dim)


def info_of(name: str) -> CheckpointInfo:
    """The catalog's entry of a model; raises UnknownNameError and CheckpointError."""
    return catalog.describe(catalog.find(plain(name)))
