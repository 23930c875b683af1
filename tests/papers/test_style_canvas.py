"""Neural style transfer: initial canvas, both optimizers, exact resume."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from genmodels.errors import CapabilityError, DivergedError
from genmodels.models.style_transfer import StyleTransfer
from genmodels.runs.folder import RunFolder
from tests.conftest import small_spec
from tests.support.style_pictures import SHALLOW, small_canvas, tensor
from tests.support.training import train


def test_lbfgs_needs_fewer_steps_than_adam() -> None:
    batch = {"content": tensor(seed=1), "style": tensor(40, 40, seed=2)}
    losses = {}
    for optimizer in ("lbfgs", "adam"):
        model = StyleTransfer.build(image_shape=(3, 32, 48), optimizer=optimizer, **SHALLOW)
        model.start(batch)
        assert torch.equal(model.painting(), batch["content"].clamp(-1, 1))
        optimizers = model.configure_optimizers()
        metrics = [model.training_step(batch, optimizers, step) for step in range(25)]
        assert float(metrics[0]["loss/content"]) == 0
        losses[optimizer] = float(metrics[-1]["loss/total"])
        assert losses[optimizer] < 0.5 * float(metrics[0]["loss/total"])
    assert losses["lbfgs"] < losses["adam"]


def test_the_initial_canvas() -> None:
    batch = {"content": tensor(seed=1), "style": tensor(20, 60, seed=2)}
    shape = (3, 32, 48)
    torch.manual_seed(0)
    canvases = {start: StyleTransfer.build(image_shape=shape, start=start) for start in ("content", "style", "noise")}
    noise = canvases["noise"].canvas.detach().clone()
    for model in canvases.values():
        model.start(batch)
    assert torch.equal(canvases["content"].canvas, batch["content"])
    assert torch.equal(canvases["noise"].canvas, noise)
    stretched = torch.nn.functional.interpolate(batch["style"], (32, 48), mode="bilinear", antialias=True)
    assert torch.equal(canvases["style"].canvas, stretched)


def test_a_loss_that_is_not_finite_stops_lbfgs_before_the_canvas_changes() -> None:
    model = small_canvas(optimizer="lbfgs")
    before = model.canvas.detach().clone()
    batch = {"content": torch.full((1, 1, 28, 28), torch.nan), "style": tensor(28, 28)[:, :1]}
    with pytest.raises(DivergedError, match=r"model\.lbfgs_lr"):
        model.training_step(batch, model.configure_optimizers(), 0)
    assert torch.equal(model.canvas, before)


@pytest.mark.slow
def test_lbfgs_resumes_exactly_in_a_new_process(tmp_path: Path) -> None:
    spec = small_spec(
        "style_transfer", "train.max_steps=6", "train.log_every=1", "model.optimizer=lbfgs", "model.history=3"
    )
    whole, halves = (RunFolder.create(tmp_path / part, spec) for part in ("whole", "halves"))
    assert train((halves, 4), (whole, 0)) == ["stopped", "finished"]
    assert train((halves, 0)) == ["finished"]
    for file in ("model.safetensors", "resume.safetensors"):
        one, two = (load_file(folder.step_path(6) / file) for folder in (whole, halves))
        assert one.keys() == two.keys()
        assert [key for key in one if not torch.equal(one[key], two[key])] == [], file
    assert len([key for key in load_file(halves.step_path(6) / "resume.safetensors") if "old_dirs" in key]) == 3
    assert [p["loss/total"] for p in whole.metrics()[0]] == [p["loss/total"] for p in halves.metrics()[0]]


def test_stylize_uses_a_canvas_of_its_own() -> None:
    model = small_canvas()
    before = model.canvas.detach().clone()
    content, style = tensor(33, 17)[:, :1], tensor(40, 21, 1)[:, :1]
    frames = list(model.stylize(content, style, steps=4))
    assert [tuple(frame.shape) for frame in frames] == [(1, 1, 17, 33)] * 4
    assert torch.equal(frames[-1], list(model.stylize(content, style, steps=4))[-1])
    assert torch.equal(model.canvas, before)
    with pytest.raises(CapabilityError, match="needs a style image"):
        next(model.stylize(content))
