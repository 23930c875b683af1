"""One training step of each GAN: inputs of each network, gradients, learning rates, optimizers."""

from __future__ import annotations

from copy import deepcopy
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genmodels.config import Runtime, TrainConfig
from genmodels.kernels import candidates, penalised_critic
from genmodels.losses import gradient_penalty
from genmodels.model import Model
from genmodels.training.trainer import Trainer
from tests.conftest import digit_batch, small_model

COUNT = 16


class Generated:
    """All inputs and outputs of a model's generator from now on."""

    def __init__(self, model: Model) -> None:
        self.inputs: list[tuple[Tensor, ...]] = []
        self.images: list[Tensor] = []
        model.generator.register_forward_hook(self._note)

    def _note(self, _module: nn.Module, given: tuple[Tensor, ...], out: Tensor) -> None:
        self.inputs.append(tuple(part.detach().clone() for part in given))
        self.images.append(out.detach().clone())


def gradients(network: nn.Module) -> list[Tensor]:
    return [p.grad.clone() for p in network.parameters() if p.grad is not None]


def assert_gradients(network: nn.Module, expected: nn.Module, loss: Tensor) -> None:
    """Asserts that the gradients of the last update of `network` are those of `loss` in its copy `expected`."""
    wanted = torch.autograd.grad(loss, list(expected.parameters()))
    assert len(gradients(network)) == len(wanted)
    largest = max(float(want.abs().max()) for want in wanted)
    assert largest > 0
    for got, want in zip(gradients(network), wanted, strict=True):
        assert torch.allclose(got, want, rtol=1e-3, atol=1e-4 * largest)


# ------------------------------------------------------------------ discriminators


def cross_entropy(logits: Tensor, target: float) -> Tensor:
    """Binary cross entropy by hand: -t log D - (1 - t) log(1 - D)."""
    return -(target * F.logsigmoid(logits) + (1 - target) * F.logsigmoid(-logits)).mean()


@pytest.mark.parametrize("label_as", ["embedding", "one_hot", "product"])
@pytest.mark.parametrize("networks", ["mlp", "conv"])
def test_each_image_is_scored_with_its_own_class(label_as: str, networks: str) -> None:
    model = small_model("cgan", label_as=label_as, networks=networks, generator_channels=[8, 4, 4]).train()
    generated = Generated(model)
    images: list[Tensor] = []
    classes: list[Tensor] = []

    def note(_module: nn.Module, given: tuple[Tensor, Tensor]) -> None:
        images.append(given[0].detach().clone())
        classes.append(given[1].detach().clone())

    model.discriminator.register_forward_pre_hook(note)
    batch = digit_batch(COUNT)
    model.training_step(batch, model.configure_optimizers(), 0)
    y, y_fake = F.one_hot(batch["label"], 10).float(), generated.inputs[-1][1]
    assert torch.equal(y_fake.sum(1), torch.ones(COUNT)), "one class per generated image"
    assert int((y_fake.argmax(1) != batch["label"]).sum()) > COUNT // 2, "generated for classes of their own"
    assert len(y_fake.unique(dim=0)) > 3
    # D's update sees real and generated images, in one batch or two; G's update the generated ones
    seen, labels = torch.cat(images).split(COUNT), torch.cat(classes).split(COUNT)
    assert len(seen) == 3
    for x, label, (want_x, want_label) in zip(
        seen, labels, [(batch["image"], y), *[(generated.images[-1], y_fake)] * 2], strict=True
    ):
        assert torch.equal(x, want_x)
        assert torch.equal(label, want_label)


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("family", ["dcgan", "cgan"])
def test_both_updates_of_a_gan_follow_the_papers_losses(family: str, smoothing: float) -> None:
    """One-sided smoothing changes the target of real images in D's loss only."""
    settings = {"dropout": 0.0, "label_smoothing": smoothing, "generator_lr": 0.01, "discriminator_lr": 0.02}
    model = small_model(family, **settings).train()
    before, batch = deepcopy(model), digit_batch(COUNT)
    generated = Generated(model)
    optimizers = model.configure_optimizers()
    metrics = model.training_step(batch, optimizers, 0)
    given = generated.inputs[0]
    assert len(given[0].unique(dim=0)) == COUNT, "a z of its own for each image"
    y_fake = () if family == "dcgan" else (given[1],)
    y = () if family == "dcgan" else (F.one_hot(batch["label"], 10).float(),)

    fake = generated.images[0]
    real_logits, fake_logits = before.discriminator(batch["image"], *y), before.discriminator(fake, *y_fake)
    discriminator_loss = cross_entropy(real_logits, 1 - smoothing) + cross_entropy(fake_logits, 0)
    assert_gradients(model.discriminator, before.discriminator, discriminator_loss)
    # G's update follows D's, so it uses the new D
    generator_loss = cross_entropy(model.discriminator(before.generator(*given), *y_fake), 1)
    assert_gradients(model.generator, before.generator, generator_loss)
    assert float(metrics["loss/discriminator"]) == pytest.approx(discriminator_loss.item() / 2, rel=1e-4)
    assert float(metrics["loss/generator"]) == pytest.approx(generator_loss.item(), rel=1e-4)
    assert float(metrics["score/real"]) == pytest.approx(real_logits.sigmoid().mean().item(), rel=1e-4)
    assert float(metrics["score/fake"]) == pytest.approx(fake_logits.sigmoid().mean().item(), rel=1e-4)


# ------------------------------------------------------------------ critics


@pytest.mark.parametrize(("family", "kernel"), [("wgan", False), ("wgan_gp", True), ("wgan_gp", False)])
def test_both_updates_of_a_wasserstein_gan_follow_the_papers_losses(
    family: str, kernel: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates = {"lr": 0.01, "clip": 0.03} if family == "wgan" else {"lr": 0.01, "gp_weight": 3.0}
    model = small_model(family, n_critic=1, **rates).train()
    before, batch = deepcopy(model), digit_batch(COUNT)
    mixes, by_kernel = watch_mixes(monkeypatch)
    candidates.use(model, ["penalised_critic"] if kernel else [])
    generated = Generated(model)
    metrics = model.training_step(batch, model.configure_optimizers(), 0)
    assert len(generated.images) == 2, "one batch per update"
    assert len(torch.cat([z for (z,) in generated.inputs]).unique(dim=0)) == 2 * COUNT, "a z of its own for each image"
    real, fake, old = batch["image"], generated.images[0], before.critic

    distance = old(real).mean() - old(fake).mean()
    critic_loss = -distance
    if family == "wgan_gp":
        assert by_kernel == ([3.0] if kernel else [])
        critic_loss = critic_loss + 3.0 * gradient_penalty(old, real, fake, mixes[0])
    assert_gradients(model.critic, old, critic_loss)
    generator_loss = -model.critic(before.generator(*generated.inputs[1])).mean()
    assert_gradients(model.generator, before.generator, generator_loss)
    assert float(metrics["distance/wasserstein"]) == pytest.approx(distance.item(), rel=1e-3)
    assert float(metrics["score/real"]) == pytest.approx(old(real).mean().item(), rel=1e-3)
    assert float(metrics["loss/generator"]) == pytest.approx(-old(fake).mean().item(), rel=1e-3)


def watch_mixes(monkeypatch: pytest.MonkeyPatch) -> tuple[list[Tensor], list[float]]:
    """Every `mix` that a wgan_gp samples from now on, and the weight of each penalty that the kernel computes."""
    mixes: list[Tensor] = []
    weights: list[float] = []
    rand, kernel = torch.rand, penalised_critic.penalised_loss

    def noted(*size: int, **options: Any) -> Tensor:
        mixes.append(rand(*size, **options))
        return mixes[-1].clone()

    def weighted(critic: nn.Sequential, real: Tensor, fake: Tensor, mix: Tensor, weight: float) -> Any:
        weights.append(weight)
        return kernel(critic, real, fake, mix, weight)

    monkeypatch.setattr(torch, "rand", noted)
    monkeypatch.setattr(penalised_critic, "penalised_loss", weighted)
    return mixes, weights


def test_the_penalty_is_taken_anywhere_between_real_and_generated_images(monkeypatch: pytest.MonkeyPatch) -> None:
    model = small_model("wgan_gp", networks="mlp", generator_sizes=[8], discriminator_sizes=[8]).train()
    optimizers, batch = model.configure_optimizers(), digit_batch(64)
    mixes, _ = watch_mixes(monkeypatch)
    for step in range(10):
        model.training_step(batch, optimizers, step)
    assert {tuple(mix.shape) for mix in mixes} == {(64, 1, 1, 1)}, "one per image"
    mixed = torch.cat(mixes).flatten()
    assert len(mixed) == 640
    assert len(mixed.unique()) > 630, "new for each image and step"
    # each tenth of [0, 1] has 64 on average, with a standard deviation of 8
    counts = torch.histc(mixed, 10, 0, 1)
    assert float(counts.sum()) == 640, "none outside"
    assert float(counts.min()) > 30
    assert float(counts.max()) < 100


def test_a_boosted_critic_delays_the_generator() -> None:
    model = small_model("wgan", n_critic=2, critic_boost=6).train()
    optimizers, batch = model.configure_optimizers(), digit_batch(4)
    generated, changed = Generated(model), []
    for step in (0, 1, 3, 5, 6, 7, 11, 149, 150, 151, 153, 1099, 1105):
        before = [p.clone() for p in model.generator.parameters()]
        generated.images.clear()
        model.training_step(batch, optimizers, step)
        pairs = zip(before, model.generator.parameters(), strict=True)
        if any(not torch.equal(a, b) for a, b in pairs):
            changed.append(step)
        assert len(generated.images) == 1 + (step in changed)
    # every 6th for 25 updates, so up to step 149; then every 2nd; the 501st update, at step 1105, waits for 6 again
    assert changed == [5, 11, 149, 151, 153, 1099, 1105]


# ------------------------------------------------------------------ optimizers and rates


def rates_over(model: Model, steps: int) -> dict[str, list[float]]:
    """The learning rate of each update in a real, short training, by optimizer."""
    loader = SimpleNamespace(batch=lambda _step: digit_batch(4))
    recorder = MagicMock(**{"requests.return_value": []})
    trainer = Trainer(model, loader, TrainConfig(max_steps=steps), Runtime(), recorder)
    found: dict[str, list[float]] = {name: [] for name in trainer.optimizers}
    for name, optimizer in trainer.optimizers.items():
        optimizer.register_step_pre_hook(
            lambda optimizer, _args, _kwargs, name=name: found[name].append(optimizer.param_groups[0]["lr"])
        )
    assert trainer.fit() == "finished"
    return found


@pytest.mark.parametrize(
    ("family", "settings", "kind", "betas", "rates"),
    [
        ("dcgan", {"beta1": 0.3}, "Adam", (0.3, 0.999), (1e-3, 3e-3)),
        ("dcgan", {}, "Adam", (0.5, 0.999), (1e-3, 3e-3)),
        ("cgan", {"beta1": 0.3}, "Adam", (0.3, 0.999), (1e-3, 3e-3)),
        ("cgan", {}, "Adam", (0.5, 0.999), (1e-3, 3e-3)),
        ("wgan", {}, "RMSprop", None, (1e-3, 1e-3)),
        ("wgan_gp", {"beta1": 0.2, "beta2": 0.7}, "Adam", (0.2, 0.7), (1e-3, 1e-3)),
        ("wgan_gp", {}, "Adam", (0.0, 0.9), (1e-3, 1e-3)),
    ],
)
def test_optimizers_are_built_as_configured(
    family: str, settings: dict[str, float], kind: str, betas: tuple[float, float] | None, rates: tuple[float, float]
) -> None:
    names = {"generator": rates[0], ("critic" if "wgan" in family else "discriminator"): rates[1]}
    given = {"lr": rates[0]} if "wgan" in family else {f"{name}_lr": rate for name, rate in names.items()}
    model = small_model(family, **settings, **given)
    optimizers = model.configure_optimizers()
    assert set(optimizers) == set(names) == set(model.learning_rates())
    for name, rate in names.items():
        (group,) = optimizers[name].param_groups
        assert type(optimizers[name]).__name__ == kind
        assert group["lr"] == model.learning_rates()[name] == rate
        assert group.get("betas") == betas
        assert [id(p) for p in group["params"]] == [id(p) for p in getattr(model, name).parameters()]


@pytest.mark.parametrize(
    ("family", "settings", "factors"),
    [
        ("dcgan", {"lr_end": 0.2}, [1, 0.84, 0.68, 0.52, 0.36]),
        ("wgan_gp", {"lr_end": 0.2, "n_critic": 1}, [1, 0.84, 0.68, 0.52, 0.36]),
        ("wgan", {"lr_drop": 0.25, "n_critic": 1}, [1, 1, 1, 0.25, 0.25]),
        ("wgan", {"n_critic": 1}, [1, 1, 1, 1, 1]),
        ("cgan", {"lr_end": 0.2}, [1, 0.84, 0.68, 0.52, 0.36]),
        ("cgan", {}, [1, 1, 1, 1, 1]),
    ],
)
def test_the_learning_rates_of_a_training(family: str, settings: dict[str, float], factors: list[float]) -> None:
    model = small_model(family, **settings)
    base = model.learning_rates()
    found = rates_over(model, len(factors))
    assert found == {name: pytest.approx([rate * factor for factor in factors]) for name, rate in base.items()}
