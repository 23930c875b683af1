"""Untrained priors over the codes of a VQ-VAE."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.runs import save_run

CODES = 16
STAGE = {"codes": CODES, "code_dim": 4, "hidden_channels": 8, "residual_blocks": 1, "residual_channels": 4}


def save_code_models(root: Path) -> None:
    """Untrained: `stage`, a VQ-VAE, and `codes`, a class-conditional prior with random logits."""
    settings = [f"model.{key}={value}" for key, value in STAGE.items()]
    save_run(root, "stage", "mnist_vqvae", "data.name=digits", *settings)
    save_run(
        root, "codes", "mnist_vqvae_prior", "data.name=digits", f"model.first_stage_model={json.dumps(STAGE)}",
        "model.channels=8", "model.dilations=[1,1]", "model.head_channels=8",
    )  # fmt: skip
