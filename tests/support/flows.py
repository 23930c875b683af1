"""Untrained flows whose images depend on class and time."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from genmodels import recipes
from genmodels.runs import checkpoint
from genmodels.runs.folder import RunFolder
from tests.support.runs import SMALL_FLOW


def save_flow(
    root: Path, name: str, *assignments: str, recipe: str = "mnist_flow", steps: tuple[int, ...] = (0, 10)
) -> RunFolder:
    """A small untrained flow of digits with different weights at each step.

    A new block is its skip connection alone, in which class and time have no effect: its last layer gets weights.
    """
    overrides = recipes.parse_overrides([*SMALL_FLOW, *assignments])
    spec = recipes.resolve(recipes.get(recipe), overrides=overrides)
    folder = RunFolder.create(root / name, spec)
    for step in steps:
        torch.manual_seed(step)
        model = checkpoint.build(spec.model_dump(mode="json"))
        for key, parameter in model.named_parameters():
            if key.endswith("conv2.weight"):
                nn.init.normal_(parameter, std=0.1)
        checkpoint.save(folder, step, model)
    return folder
