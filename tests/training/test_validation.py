"""Held-out metrics during a training: same names, fixed noise, and no effect on what is trained."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from genmodels import registry
from genmodels.model import Model
from genmodels.runs import checkpoint
from genmodels.runs.folder import RunFolder
from genmodels.training import runner, validation
from pages.components import metrics_tail, run_curves
from tests.conftest import small_spec

FAMILIES = [name for name in registry.names() if registry.get(name).validation_metrics is not Model.validation_metrics]


def test_the_families_with_a_loss_on_held_out_data() -> None:
    expected = {"autoencoder", "cnn_classifier", "darknet", "flow_matching", "gated_pixelcnn", "mlp_classifier"}
    assert {*FAMILIES} == expected | {"mean_flow", "pixelcnn", "vae", "wavenet"}


@pytest.mark.parametrize("name", [name for name in FAMILIES if name != "mean_flow"])
def test_the_metrics_are_those_of_the_training_and_leave_the_random_state(name: str) -> None:
    spec = small_spec(name, "train.batch_size=16")
    model = checkpoint.build(spec.model_dump()).requires_grad_(False).eval()
    batch = validation.batch_of(spec, model.device)
    assert batch is not None
    torch.manual_seed(5)
    state, weights = torch.get_rng_state(), {k: v.clone() for k, v in model.state_dict().items()}
    first = validation.metrics_of(model, batch, 3)
    assert torch.equal(torch.get_rng_state(), state)
    assert validation.metrics_of(model, batch, 3) == first, "the noise is the same at every step"
    assert all(torch.equal(value, weights[key]) for key, value in model.state_dict().items())
    assert "validation/loss/total" in first
    assert {key.removeprefix("validation/") for key in first} <= {*model.curves()}


def test_a_training_is_the_same_with_and_without_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = ("train.max_steps=4", "train.preview_every=2", "train.log_every=1", "train.batch_size=16")
    folders = []
    for name in ("with", "without"):
        if name == "without":
            monkeypatch.setattr(validation, "applies_to", lambda model: False)
        folders.append(RunFolder.create(tmp_path / name, small_spec("vae", *settings)))
        folders[-1].set_runtime({"threads": 1})
        runner.train_folder(folders[-1], device="cpu")
    one, two = (load_file(folder.step_path(4) / "resume.safetensors") for folder in folders)
    assert one.keys() == two.keys()
    assert all(torch.equal(one[key], two[key]) for key in one)
    series = metrics_tail.series_of(folders[0])
    assert list(series["validation/loss/total"].steps) == [0, 2, 4]
    without = run_curves.groups_of(metrics_tail.series_of(folders[1]))["loss"]
    assert run_curves.groups_of(series)["loss"] == [*without, "validation/loss/total"]
    labels = run_curves.with_held_out(checkpoint.build(folders[0].spec().model_dump()).curves(), series)
    assert labels["validation/loss/total"].label == "negative ELBO (nats), held-out data"
    assert not any(name.startswith("validation/") for name in metrics_tail.series_of(folders[1]))


def test_held_out_digits_are_not_training_digits() -> None:
    spec = small_spec("vae", "train.batch_size=16")
    batch = validation.batch_of(spec, torch.device("cpu"))
    assert batch is not None
    assert len(batch["image"]) == 100
