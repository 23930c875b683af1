"""What one training step of each adversarial model does: who is shown what, the gradients, the rates, the layers."""

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
from genmodels.losses import gradient_penalty
from genmodels.model import Model
from genmodels.models import wgan_gp
from genmodels.training.trainer import Trainer
from tests.conftest import digit_batch, small_model

COUNT = 16


class Drawing:
    """All that a model's generator was given, and made of it, from now on."""

    def __init__(self, model: Model) -> None:
        self.inputs: list[tuple[Tensor, ...]] = []
        self.pictures: list[Tensor] = []
        model.generator.register_forward_hook(self._note)

    def _note(self, _module: nn.Module, given: tuple[Tensor, ...], out: Tensor) -> None:
        self.inputs.append(tuple(part.detach().clone() for part in given))
        self.pictures.append(out.detach().clone())


def gradients(network: nn.Module) -> list[Tensor]:
    return [p.grad.clone() for p in network.parameters() if p.grad is not None]


def assert_gradients(found: nn.Module, expected: nn.Module, loss: Tensor) -> None:
    """That the gradients which `found` was last updated with are those of `loss` in its copy `expected`."""
    wanted = torch.autograd.grad(loss, list(expected.parameters()))
    assert len(gradients(found)) == len(wanted)
    largest = max(float(want.abs().max()) for want in wanted)
    assert largest > 0
    for got, want in zip(gradients(found), wanted, strict=True):
        assert torch.allclose(got, want, rtol=1e-3, atol=1e-4 * largest)


# ------------------------------------------------------------------ GANs that classify real and drawn


def wrong(logits: Tensor, target: float) -> Tensor:
    """Binary cross entropy by hand: -t log D - (1 - t) log(1 - D)."""
    return -(target * F.logsigmoid(logits) + (1 - target) * F.logsigmoid(-logits)).mean()


@pytest.mark.parametrize("label_as", ["embedding", "one_hot", "product"])
@pytest.mark.parametrize("networks", ["mlp", "conv"])
def test_each_picture_is_judged_with_its_own_class(label_as: str, networks: str) -> None:
    model = small_model("cgan", label_as=label_as, networks=networks, generator_channels=[8, 4, 4]).train()
    drawing = Drawing(model)
    pictures: list[Tensor] = []
    classes: list[Tensor] = []

    def note(_module: nn.Module, given: tuple[Tensor, Tensor]) -> None:
        pictures.append(given[0].detach().clone())
        classes.append(given[1].detach().clone())

    model.discriminator.register_forward_pre_hook(note)
    batch = digit_batch(COUNT)
    model.training_step(batch, model.configure_optimizers(), 0)
    true, asked = F.one_hot(batch["label"], 10).float(), drawing.inputs[-1][1]
    assert torch.equal(asked.sum(1), torch.ones(COUNT)), "one class a drawn picture"
    assert int((asked.argmax(1) != batch["label"]).sum()) > COUNT // 2, "drawn for classes of their own"
    assert len(asked.unique(dim=0)) > 3
    # D's update sees real and drawn pictures, together or apart; G's the drawn ones
    shown, told = torch.cat(pictures).split(COUNT), torch.cat(classes).split(COUNT)
    assert len(shown) == 3
    for x, y, (want_x, want_y) in zip(
        shown, told, [(batch["image"], true), *[(drawing.pictures[-1], asked)] * 2], strict=True
    ):
        assert torch.equal(x, want_x)
        assert torch.equal(y, want_y)


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("family", ["dcgan", "cgan"])
def test_both_updates_of_a_gan_follow_the_papers_losses(family: str, smoothing: float) -> None:
    """One-sided smoothing: the target of real pictures in D's loss, and nothing else."""
    settings = {"dropout": 0.0, "label_smoothing": smoothing, "generator_lr": 0.01, "discriminator_lr": 0.02}
    model = small_model(family, **settings).train()
    before, batch = deepcopy(model), digit_batch(COUNT)
    drawing = Drawing(model)
    optimizers = model.configure_optimizers()
    metrics = model.training_step(batch, optimizers, 0)
    given = drawing.inputs[0]
    assert len(given[0].unique(dim=0)) == COUNT, "a z of its own for each picture"
    told = () if family == "dcgan" else (given[1],)
    true = () if family == "dcgan" else (F.one_hot(batch["label"], 10).float(),)

    fake = drawing.pictures[0]
    real_logits, fake_logits = before.discriminator(batch["image"], *true), before.discriminator(fake, *told)
    discriminator_loss = wrong(real_logits, 1 - smoothing) + wrong(fake_logits, 0)
    assert_gradients(model.discriminator, before.discriminator, discriminator_loss)
    # G's update follows D's, so it hears the new D
    generator_loss = wrong(model.discriminator(before.generator(*given), *told), 1)
    assert_gradients(model.generator, before.generator, generator_loss)
    assert float(metrics["loss/discriminator"]) == pytest.approx(discriminator_loss.item() / 2, rel=1e-4)
    assert float(metrics["loss/generator"]) == pytest.approx(generator_loss.item(), rel=1e-4)
    assert float(metrics["score/real"]) == pytest.approx(real_logits.sigmoid().mean().item(), rel=1e-4)
    assert float(metrics["score/fake"]) == pytest.approx(fake_logits.sigmoid().mean().item(), rel=1e-4)


# ------------------------------------------------------------------ critics


@pytest.mark.parametrize("family", ["wgan", "wgan_gp"])
def test_both_updates_of_a_critics_pair_follow_the_papers_losses(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rates = {"lr": 0.01, "clip": 0.03} if family == "wgan" else {"lr": 0.01, "gp_weight": 3.0}
    model = small_model(family, n_critic=1, **rates).train()
    mixes, weights = watch_penalties(monkeypatch)
    before, batch = deepcopy(model), digit_batch(COUNT)
    drawing = Drawing(model)
    metrics = model.training_step(batch, model.configure_optimizers(), 0)
    assert len(drawing.pictures) == 2, "one drawing an update"
    assert len(torch.cat([z for (z,) in drawing.inputs]).unique(dim=0)) == 2 * COUNT, "a z of its own for each picture"
    real, fake, old = batch["image"], drawing.pictures[0], before.critic

    distance = old(real).mean() - old(fake).mean()
    critic_loss = -distance
    if family == "wgan_gp":
        assert weights == [3.0]
        critic_loss = critic_loss + 3.0 * gradient_penalty(old, real, fake, mixes[0])
    assert_gradients(model.critic, old, critic_loss)
    generator_loss = -model.critic(before.generator(*drawing.inputs[1])).mean()
    assert_gradients(model.generator, before.generator, generator_loss)
    assert float(metrics["distance/wasserstein"]) == pytest.approx(distance.item(), rel=1e-3)
    assert float(metrics["score/real"]) == pytest.approx(old(real).mean().item(), rel=1e-3)
    assert float(metrics["loss/generator"]) == pytest.approx(-old(fake).mean().item(), rel=1e-3)


def watch_penalties(monkeypatch: pytest.MonkeyPatch) -> tuple[list[Tensor], list[float]]:
    """The `mix` and the weight of every penalty that a wgan_gp takes from now on."""
    mixes: list[Tensor] = []
    weights: list[float] = []
    real_one = wgan_gp.penalised_loss

    def noted(critic: nn.Sequential, real: Tensor, fake: Tensor, mix: Tensor, weight: float) -> Any:
        mixes.append(mix.clone())
        weights.append(weight)
        return real_one(critic, real, fake, mix, weight)

    monkeypatch.setattr(wgan_gp, "penalised_loss", noted)
    return mixes, weights


def test_the_penalty_is_taken_anywhere_between_real_and_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    mixes, _ = watch_penalties(monkeypatch)
    model = small_model("wgan_gp", networks="mlp", generator_sizes=[8], discriminator_sizes=[8]).train()
    optimizers, batch = model.configure_optimizers(), digit_batch(64)
    for step in range(10):
        model.training_step(batch, optimizers, step)
    assert {tuple(mix.shape) for mix in mixes} == {(64, 1, 1, 1)}, "one a picture"
    drawn = torch.cat(mixes).flatten()
    assert len(drawn) == 640
    assert len(drawn.unique()) > 630, "other ones for each picture and step"
    # of U(0, 1) each tenth holds 64, give or take 8
    shares = torch.histc(drawn, 10, 0, 1)
    assert float(shares.sum()) == 640, "none outside"
    assert float(shares.min()) > 30
    assert float(shares.max()) < 100


def test_a_boosted_critic_holds_the_generator_back() -> None:
    model = small_model("wgan", n_critic=2, critic_boost=6).train()
    optimizers, batch = model.configure_optimizers(), digit_batch(4)
    drawing, changed = Drawing(model), []
    for step in (0, 1, 3, 5, 6, 7, 11, 149, 150, 151, 153, 1099, 1105):
        before = [p.clone() for p in model.generator.parameters()]
        drawing.pictures.clear()
        model.training_step(batch, optimizers, step)
        pairs = zip(before, model.generator.parameters(), strict=True)
        if any(not torch.equal(a, b) for a, b in pairs):
            changed.append(step)
        assert len(drawing.pictures) == 1 + (step in changed)
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
def test_the_rates_a_pair_is_trained_with(family: str, settings: dict[str, float], factors: list[float]) -> None:
    model = small_model(family, **settings)
    base = model.learning_rates()
    found = rates_over(model, len(factors))
    assert found == {name: pytest.approx([rate * factor for factor in factors]) for name, rate in base.items()}
