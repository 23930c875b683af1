"""Untrained priors over the codes of a VQ-VAE."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from genmodels import data
from genmodels.data import DataConfig
from genmodels.data.loader import to_float
from genmodels.models.vqvae import VQVAE
from genmodels.runs import checkpoint
from tests.conftest import SMALL
from tests.support.runs import save_run

STAGE = SMALL["vqvae"]
CODES: int = STAGE["codes"]


def save_code_models(root: Path) -> None:
    """Untrained: `stage`, a VQ-VAE, and `codes`, a class-conditional prior; both encode digits as various codes."""
    settings = [f"model.{key}={value}" for key, value in STAGE.items()]
    _save(root, "stage", "mnist_vqvae", *settings)
    prior = ("model.channels=8", "model.dilations=[1,1]", "model.head_channels=8")
    _save(root, "codes", "mnist_vqvae_prior", f"model.first_stage_model={json.dumps(STAGE)}", *prior)


def _save(root: Path, name: str, recipe: str, *assignments: str) -> None:
    folder = save_run(root, name, recipe, "data.name=digits", *assignments, steps=())
    torch.manual_seed(0)
    model = checkpoint.build(folder.spec().model_dump(mode="json"))
    stage = model if isinstance(model, VQVAE) else model.get_submodule("first_stage")
    assert isinstance(stage, VQVAE)
    digits = data.load(DataConfig(name="digits")).images[:64]
    stage.start({"image": to_float(torch.from_numpy(digits.copy()))})
    checkpoint.save(folder, 10, model)
