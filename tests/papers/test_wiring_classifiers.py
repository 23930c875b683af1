"""Training step of the convolutional classifiers: losses, augmentation and learning rates."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import SGD, Adam

from genmodels import registry
from genmodels.config import Runtime, TrainConfig
from genmodels.model import Batch, Metrics, Model
from genmodels.training.trainer import Trainer
from tests.conftest import digit_batch, small_model

PLAIN: dict[str, dict[str, Any]] = {
    "darknet": {"shift": 0, "flip": False},
    "cnn_classifier": {"shift": 0, "dropout": 0.0},
}


def one_step(model: Model, batch: Batch) -> tuple[Metrics, Tensor, Tensor]:
    """Metrics of a first training step, the network's input images, and their logits."""
    inputs: list[Tensor] = []
    logits: list[Tensor] = []
    hooks = [
        model.body.register_forward_pre_hook(lambda _module, args: inputs.append(args[0].detach().clone())),
        model.head.register_forward_hook(lambda _module, _args, out: logits.append(out.detach().clone())),
    ]
    metrics = model.training_step(batch, model.configure_optimizers(), 0)
    for hook in hooks:
        hook.remove()
    assert len(inputs) == len(logits) == 1
    return metrics, inputs[0], logits[0]


# ------------------------------------------------------------------ losses


@pytest.mark.parametrize(
    ("family", "settings"),
    [("darknet", {}), ("cnn_classifier", {}), ("cnn_classifier", {"loss": "bce"})],
)
def test_the_loss_is_the_mean_over_the_batch_and_its_gradient_reaches_the_last_layer(
    family: str, settings: dict[str, str]
) -> None:
    model = small_model(family, num_classes=3, **PLAIN[family], **settings).train()
    label = torch.tensor([0, 2, 2, 1, 0])
    batch = {"image": digit_batch(5)["image"], "label": label}
    metrics, inputs, logits = one_step(model, batch)
    assert torch.equal(inputs, batch["image"]), "no augmentation unless the settings ask for it"
    target = F.one_hot(label, 3).float()
    if settings:
        p = logits.sigmoid()
        expected = -(target * p.log() + (1 - target) * (1 - p).log()).sum() / (5 * 3)
        gradient = (p - target) / (5 * 3)
    else:
        p = logits.exp() / logits.exp().sum(1, keepdim=True)
        expected = -sum(p[i, label[i]].log() for i in range(5)) / 5
        gradient = (p - target) / 5
    assert float(metrics["loss/total"]) == pytest.approx(float(expected), rel=1e-5)
    assert float(metrics["accuracy/batch"]) == pytest.approx(float((logits.argmax(1) == label).float().mean()))
    last = model.head if isinstance(model.head, nn.Linear) else model.head[-1]
    assert last.bias.grad is not None
    assert torch.allclose(last.bias.grad, gradient.sum(0), atol=1e-6)


@pytest.mark.parametrize("loss", ["cross_entropy", "bce"])
def test_probabilities_fit_the_loss(loss: str) -> None:
    model = small_model("cnn_classifier", loss=loss).eval()
    with torch.no_grad():
        x = digit_batch(4)["image"]
        probabilities, logits = model.probabilities(x), model.classify(x)
    expected = logits.exp() / (1 + logits.exp()) if loss == "bce" else logits.exp() / logits.exp().sum(1, keepdim=True)
    assert torch.allclose(probabilities, expected, atol=1e-6)


# ------------------------------------------------------------------ augmentation


def test_a_cnn_is_trained_on_batches_shifted_by_whole_pixels() -> None:
    model = small_model("cnn_classifier", shift=2).train()
    batch = digit_batch(2)
    padded = F.pad(batch["image"], (2, 2, 2, 2), value=-1.0)
    windows = {(i, j): padded[:, :, i : i + 28, j : j + 28] for i in range(5) for j in range(5)}
    shifts = set()
    for _ in range(60):
        inputs = one_step(model, batch)[1]
        shifts |= {shift for shift, window in windows.items() if torch.equal(window, inputs)}
        assert any(torch.equal(window, inputs) for window in windows.values()), "one shift per batch, over black"
    assert {i for i, _ in shifts} == {j for _, j in shifts} == set(range(5)), "by up to 2 in each direction"
    assert len(shifts) > 15, "rows and columns are shifted independently"
    inference: list[Tensor] = []
    model.body.register_forward_pre_hook(lambda _module, args: inference.append(args[0]))
    with torch.no_grad():
        model.eval().classify(batch["image"])
    assert torch.equal(inference[0], batch["image"]), "only training images are shifted"


@pytest.mark.parametrize("augmentation", [{"shift": 2}, {"flip": True}, {"zoom": 1.5}, {"colour": 0.8}, {"cutout": 5}])
def test_a_darknet_augments_training_images_only(augmentation: Mapping[str, Any]) -> None:
    model = small_model("darknet", **{**PLAIN["darknet"], **augmentation}).train()
    batch = digit_batch(16)
    inputs = one_step(model, batch)[1]
    changed = (inputs != batch["image"]).flatten(1).any(1)
    assert inputs.shape == batch["image"].shape
    assert int(changed.sum()) >= 4
    if "flip" in augmentation:
        assert not bool(changed.all())
        assert torch.equal(inputs[changed], batch["image"][changed].flip(3))
    if "shift" in augmentation:
        padded = F.pad(batch["image"], (2, 2, 2, 2), mode="reflect")
        windows = torch.stack([padded[:, :, i : i + 28, j : j + 28] for i in range(5) for j in range(5)])
        assert bool((windows == inputs).flatten(2).all(2).any(0).all())
    if "cutout" in augmentation:
        masked = (inputs != batch["image"]).flatten(1).sum(1)
        assert bool((inputs[inputs != batch["image"]] == 0).all()), "masked pixels are mid-grey"
        assert int(masked.max()) == 25
        assert int(masked.min()) >= 4, "at a corner at most half of each side is outside"
    if "colour" in augmentation:
        means = (inputs - batch["image"]).mean((1, 2, 3))
        assert float(means.abs().max()) <= 0.4 + 1e-5, "brightness by at most half the strength"
        assert float(means.std()) > 0.05
    model.eval()
    with torch.no_grad():
        assert torch.equal(model.classify(batch["image"]), model.head(model.body(batch["image"])))


# ------------------------------------------------------------------ learning rates


def groups_over(model: Model, steps: int) -> list[dict[str, Any]]:
    """The optimizer's settings at each update of a short training."""
    loader = SimpleNamespace(batch=lambda _step: digit_batch(4))
    recorder = MagicMock(**{"requests.return_value": []})
    trainer = Trainer(model, loader, TrainConfig(max_steps=steps), Runtime(), recorder)
    groups: list[dict[str, Any]] = []
    trainer.optimizers["model"].register_step_pre_hook(
        lambda optimizer, _args, _kwargs: groups.append(
            {key: value for key, value in optimizer.param_groups[0].items() if key != "params"}
        )
    )
    assert trainer.fit() == "finished"
    assert len(groups) == steps
    return groups


def test_a_darknets_learning_rate_and_momentum_follow_one_cycle() -> None:
    model = small_model("darknet", lr=0.2, lr_start=20, tail=0.2, momentum=(0.95, 0.85))
    groups = groups_over(model, 10)
    # up from 1/20 to 1 in 4 of 10 steps, down in 4, then to zero in 2; the momentum falls while the rate rises
    factors = [0.05, 0.2875, 0.525, 0.7625, 1.0, 0.7625, 0.525, 0.2875, 0.05, 0.025]
    momenta = [0.95, 0.925, 0.9, 0.875, 0.85, 0.875, 0.9, 0.925, 0.95, 0.95]
    assert [group["lr"] for group in groups] == pytest.approx([0.2 * factor for factor in factors])
    assert [group["momentum"] for group in groups] == pytest.approx(momenta)
    assert {group["weight_decay"] for group in groups} == {1e-4}


def test_the_tail_of_the_cycle_has_the_configured_length() -> None:
    groups = groups_over(small_model("darknet", lr=0.1, lr_start=10, tail=0.5), 8)
    factors = [0.1, 0.55, 1.0, 0.55, 0.1, 0.075, 0.05, 0.025]
    assert [group["lr"] for group in groups] == pytest.approx([0.1 * factor for factor in factors])


def test_a_darknet_is_trained_by_sgd_with_weight_decay_and_momentum() -> None:
    """v = momentum v + g + weight_decay w, w = w - lr v: two steps by hand, on every weight."""
    model = small_model("darknet", lr=0.1, lr_start=2, weight_decay=0.1, momentum=(0.9, 0.5)).train()
    optimizers = model.configure_optimizers()
    (optimizer,) = optimizers.values()
    assert isinstance(optimizer, SGD)
    assert {id(p) for group in optimizer.param_groups for p in group["params"]} == {id(p) for p in model.parameters()}
    velocity = [torch.zeros_like(p) for p in model.parameters()]
    for step, (rate, momentum) in enumerate([(0.05, 0.9), (0.1, 0.5)]):
        optimizer.param_groups[0]["lr"] = rate
        before = [p.detach().clone() for p in model.parameters()]
        model.training_step(digit_batch(8), optimizers, step)
        for p, old, v in zip(model.parameters(), before, velocity, strict=True):
            assert p.grad is not None
            v.mul_(momentum).add_(p.grad + 0.1 * old)
            assert torch.allclose(p.detach(), old - rate * v, atol=1e-6)


def test_a_darknets_default_settings() -> None:
    config = registry.config_class("darknet").parse({"image_shape": [3, 32, 32], "num_classes": 10})
    assert (config.lr_start, config.tail, config.momentum, config.weight_decay) == (20.0, 0.2, (0.95, 0.85), 1e-4)


def test_a_cnns_learning_rate_warms_up_over_a_tenth_and_falls_to_zero() -> None:
    groups = groups_over(small_model("cnn_classifier", lr=0.01), 20)
    # two steps of warm-up, then half a cosine over 18: 1 at its start, 0.5 in the middle
    rates = [group["lr"] / 0.01 for group in groups]
    assert rates[:3] == pytest.approx([0.5, 1.0, 1.0])
    assert rates[11] == pytest.approx(0.5)
    assert all(later < earlier for earlier, later in pairwise(rates[2:]))
    assert 0 < rates[-1] < 0.02
    assert {group["betas"] for group in groups} == {(0.9, 0.999)}


def test_a_cnns_learning_rate_is_constant_without_lr_falls() -> None:
    groups = groups_over(small_model("cnn_classifier", lr=0.01, lr_falls=False), 5)
    assert [group["lr"] for group in groups] == [0.01] * 5
    (optimizer,) = small_model("cnn_classifier", lr=0.03).configure_optimizers().values()
    assert isinstance(optimizer, Adam)
    assert optimizer.param_groups[0]["lr"] == 0.03
