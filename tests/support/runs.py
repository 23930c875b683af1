"""Untrained runs, and the pixels of images."""

from __future__ import annotations

import io
from pathlib import Path

import torch
from PIL import Image

from genmodels import recipes
from genmodels.runs import checkpoint
from genmodels.runs.folder import RunFolder


def save_run(root: Path, name: str, recipe: str, *assignments: str, steps: tuple[int, ...] = (0, 10)) -> RunFolder:
    """An untrained run with different weights at each step."""
    spec = recipes.resolve(recipes.get(recipe), overrides=recipes.parse_overrides(list(assignments)))
    folder = RunFolder.create(root / name, spec)
    for step in steps:
        torch.manual_seed(step)
        checkpoint.save(folder, step, checkpoint.build(spec.model_dump(mode="json")))
    return folder


def pixels(png: bytes) -> bytes:
    return Image.open(io.BytesIO(png)).tobytes()
