"""Untrained runs, and the pixels of images."""

from __future__ import annotations

import io
import json
from pathlib import Path

import torch
from PIL import Image

from genmodels import recipes
from genmodels.runs import catalog, checkpoint
from genmodels.runs.folder import RunFolder
from tests.support.browser import ROOT


def save_run(root: Path, name: str, recipe: str, *assignments: str, steps: tuple[int, ...] = (0, 10)) -> RunFolder:
    """An untrained run with different weights at each step."""
    spec = recipes.resolve(recipes.get(recipe), overrides=recipes.parse_overrides(list(assignments)))
    folder = RunFolder.create(root / name, spec)
    for step in steps:
        torch.manual_seed(step)
        checkpoint.save(folder, step, checkpoint.build(spec.model_dump(mode="json")))
    return folder


def link_one_checkpoint_of_each_kind(root: Path) -> None:
    """Links in `root` to published checkpoints: the judge, and one of all those that pages treat alike."""
    root.mkdir()
    kinds = {}
    for path in sorted((ROOT / "checkpoints").glob("*/config.json")):
        info = catalog.describe(path.parent, published=True)
        digits, latent = info.image_shape == (1, 28, 28), min(info.latent_dim or 0, 3)
        kinds[info.modality, info.capabilities, bool(info.conditions), digits, latent] = info.name
    for name in {*kinds.values(), "mnist_judge"}:
        (root / name).symlink_to(ROOT / "checkpoints" / name)


def pixels(png: bytes) -> bytes:
    return Image.open(io.BytesIO(png)).tobytes()


def set_training_data(
    runs: Path, name: str, data_name: str, shape: tuple[int, int, int] = (1, 28, 28), path: str | None = None
) -> None:
    """Change the data in a run's config, as if it had been trained on a machine that has the data."""
    file = runs / name / "config.json"
    config = json.loads(file.read_text())
    config["spec"]["data"] |= {"name": data_name, "path": path}
    config["spec"]["data_spec"] |= {"title": data_name, "image_shape": shape}
    file.write_text(json.dumps(config))


SMALL_CGAN = ("data.name=digits", "model.generator_sizes=[32]", "model.discriminator_sizes=[32]", "model.latent_dim=8")
SMALL_FLOW = ("data.name=digits", "model.channels=[8]", "model.blocks=1", "model.embedding_dim=16")
