"""On a GPU: the training step of every family, and exact resume. Skipped without a GPU (`python -m benchmarks gpu`)."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from genmodels.runs.folder import RunFolder
from tests.conftest import FAMILIES, digit_batch, small_model, small_spec
from tests.support.training import train

pytestmark = [
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device on this machine"),
    pytest.mark.parametrize("name", FAMILIES),
]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_training_step_on_the_gpu_changes_the_weights_and_stays_finite(name: str, precision: str) -> None:
    model = small_model(name).to("cuda").train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    batch = {key: value.cuda() for key, value in digit_batch(16).items()}
    optimizers = model.configure_optimizers()
    for step in range(2):
        with torch.autocast("cuda", torch.bfloat16, enabled=precision == "bf16"):
            metrics = model.training_step(batch, optimizers, step)
    assert all(torch.isfinite(value.float()).all() for value in metrics.values())
    after = model.state_dict()
    assert all(value.device.type == "cuda" for value in after.values())
    assert any(not torch.equal(before[key], after[key]) for key in model.trainable())


def test_a_training_step_on_the_gpu_agrees_with_the_cpu(name: str) -> None:
    """The first loss of families without random numbers in the step; the GPU's random numbers differ."""
    losses = []
    for device in ("cpu", "cuda"):
        model = small_model(name).to(device).train()
        batch = {key: value.to(device) for key, value in digit_batch(16).items()}
        losses.append({k: float(v) for k, v in model.training_step(batch, model.configure_optimizers(), 0).items()})
    assert losses[0].keys() == losses[1].keys()
    if name in ("mlp_classifier", "cnn_classifier", "pixelcnn", "style_transfer"):
        for key, value in losses[0].items():
            assert losses[1][key] == pytest.approx(value, rel=0.02, abs=1e-3), key


def test_three_steps_and_three_more_on_the_gpu_are_six(name: str, tmp_path: Path) -> None:
    settings = ("train.max_steps=6", "train.log_every=1", "train.ema_decay=0.9", "train.batch_size=16")
    spec = small_spec(name, *settings, "train.compile=off", "train.precision=fp32")
    whole, halves = (RunFolder.create(tmp_path / part, spec) for part in ("whole", "halves"))
    assert train((halves, 3), (whole, 0), device="cuda") == ["stopped", "finished"]
    assert train((halves, 0), device="cuda") == ["finished"]
    for file in ("model.safetensors", "training_nets.safetensors", "resume.safetensors"):
        one, two = (load_file(folder.step_path(6) / file) for folder in (whole, halves))
        assert one.keys() == two.keys()
        different = [key for key in one if not torch.equal(one[key], two[key])]
        assert different == [], f"{file}: {different}"
