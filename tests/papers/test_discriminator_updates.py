"""One discriminator step for real and generated images together, or one for each; and where the curves end."""

from __future__ import annotations

import math
from copy import deepcopy
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from genmodels import recipes, registry
from genmodels.losses import adversarial_ideal, adversarial_loss
from genmodels.runs.folder import RunFolder
from tests.conftest import digit_batch, small_model, small_spec
from tests.support.training import train

FAMILIES = ("gan", "dcgan", "cgan", "wgan")


@pytest.mark.parametrize(("updates", "steps"), [("joint", 1), ("separate", 2)])
@pytest.mark.parametrize("family", FAMILIES)
def test_separate_takes_two_optimizer_steps(family: str, updates: str, steps: int) -> None:
    model = small_model(family, discriminator_updates=updates).train()
    optimizers = model.configure_optimizers()
    counts = dict.fromkeys(optimizers, 0)
    for name, optimizer in optimizers.items():
        optimizer.register_step_post_hook(
            lambda *_, name=name: counts.__setitem__(name, counts[name] + 1)  # type: ignore[misc]
        )
    for step in range(4):
        model.training_step(digit_batch(), optimizers, step)
    assert counts.pop("generator") == (2 if family == "wgan" else 4)
    assert list(counts.values()) == [4 * steps]


def test_separate_updates_by_hand() -> None:
    """Plain descent: w1 = w0 - lr grad l(D_w0(x), real), then w2 = w1 - lr grad l(D_w1(G(z)), fake)."""
    rate = 0.1
    settings = {"optimizer": "sgd", "discriminator_lr": rate, "dropout": 0.0, "discriminator_updates": "separate"}
    model = small_model("gan", **settings).train()
    copy, batch = deepcopy(model), digit_batch()
    torch.manual_seed(3)
    metrics = model.training_step(batch, model.configure_optimizers(), 0)

    torch.manual_seed(3)
    with torch.no_grad():
        fake = copy._generate(len(batch["image"]))
    real = batch["image"].add(1).mul(0.5).flatten(1)
    losses, scores = [], []
    for images, is_real in ((real, True), (fake, False)):
        logits = copy.discriminator(images)
        loss = adversarial_loss(logits, real=is_real)
        gradients = torch.autograd.grad(loss, list(copy.discriminator.parameters()))
        with torch.no_grad():
            for weight, gradient in zip(copy.discriminator.parameters(), gradients, strict=True):
                weight -= rate * gradient
        losses.append(loss.item())
        scores.append(logits.sigmoid().mean().item())
    for one, two in zip(model.discriminator.parameters(), copy.discriminator.parameters(), strict=True):
        assert torch.allclose(one, two, atol=1e-6)
    assert metrics["loss/discriminator"].item() == pytest.approx(sum(losses) / 2, rel=1e-5)
    assert metrics["score/real"].item() == pytest.approx(scores[0], rel=1e-5)
    assert metrics["score/fake"].item() == pytest.approx(scores[1], rel=1e-5)


@pytest.mark.parametrize("family", ["dcgan", "cgan", "wgan"])
def test_generated_images_are_scored_by_the_discriminator_that_has_seen_the_real_ones(family: str) -> None:
    rates = {"lr": 0.05} if family == "wgan" else {"discriminator_lr": 0.05}
    model = small_model(family, dropout=0.0, discriminator_updates="separate", **rates).train()
    part = model.critic if family == "wgan" else model.discriminator
    seen: list[torch.Tensor] = []
    part.register_forward_pre_hook(lambda *_: seen.append(torch.cat([p.detach().flatten() for p in part.parameters()])))
    model.training_step(digit_batch(), model.configure_optimizers(), 0)
    assert not torch.equal(seen[0], seen[1])


@pytest.mark.slow
def test_separate_updates_resume_exactly(tmp_path: Path) -> None:
    given = ["train.max_steps=6", "train.batch_size=16", "model.discriminator_updates=separate"]
    whole, halves = (RunFolder.create(tmp_path / part, small_spec("gan", *given)) for part in ("whole", "halves"))
    assert train((halves, 3), (whole, 0)) == ["stopped", "finished"]
    assert train((halves, 0)) == ["finished"]
    for file in ("model.safetensors", "training_nets.safetensors", "resume.safetensors"):
        one, two = (load_file(folder.step_path(6) / file) for folder in (whole, halves))
        assert all(torch.equal(one[key], two[key]) for key in one)


def test_presets_called_text_take_the_texts_two_steps() -> None:
    for name in ("mnist_gan", "mnist_dcgan", "mnist_wgan"):
        settings = recipes.merge(recipes.get(name), "text")["model"]
        assert registry.config_class(recipes.get(name).family).parse(settings).discriminator_updates == "separate"
    for name in ("pattern_1010_gan", "mnist_gan_collapse", "faces_gan_mlp", "faces_gan_cnn", "faces_gan_cnn_gelu"):
        assert recipes.get(name).model["discriminator_updates"] == "separate"


# ------------------------------------------------------------------ where the curves end


@pytest.mark.parametrize("kind", ["bce", "mse"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.2, 0.45])
def test_the_ideal_is_the_best_that_a_discriminator_can_do(kind: str, smoothing: float) -> None:
    """Real and generated images are the same: one logit for all, the best of very many."""
    logits = torch.linspace(-4, 4, 80_001, dtype=torch.float64)
    losses = [
        0.5 * (adversarial_loss(x, True, kind, smoothing=smoothing) + adversarial_loss(x, False, kind)).item()
        for x in logits[::40, None]
    ]
    best = min(range(len(losses)), key=losses.__getitem__)
    ideal = adversarial_ideal(kind, smoothing=smoothing)
    assert ideal.discriminator == pytest.approx(losses[best], abs=1e-5)
    assert ideal.score == pytest.approx(torch.sigmoid(logits[::40][best]).item(), abs=1e-3)
    generator = adversarial_loss(torch.logit(torch.tensor([ideal.score])), True, kind)
    assert ideal.generator == pytest.approx(generator.item(), abs=1e-5)


@pytest.mark.parametrize(("smoothing", "loss"), [(0.0, math.log(2)), (0.1, 0.688), (0.2, 0.673)])
@pytest.mark.parametrize("family", ["dcgan", "cgan"])
def test_ideal_lines_follow_label_smoothing(family: str, smoothing: float, loss: float) -> None:
    curves = small_model(family, label_smoothing=smoothing).curves()
    assert curves["loss/discriminator"].ideal == pytest.approx(loss, abs=5e-4)
    assert f"At {'ln 2 = ' if not smoothing else ''}{loss:.3f}" in curves["loss/discriminator"].meaning
    assert curves["score/real"].ideal == curves["score/fake"].ideal == pytest.approx((1 - smoothing) / 2)
    assert curves["loss/generator"].ideal == pytest.approx(-math.log((1 - smoothing) / 2))
