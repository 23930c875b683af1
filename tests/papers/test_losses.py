"""Each loss against a value computed by hand."""

from __future__ import annotations

import math

import pytest
import torch

from genmodels.errors import ConfigError
from genmodels.losses import adversarial_loss, bernoulli_nll, gaussian_kl
from genmodels.model import cosine
from genmodels.models.darknet import one_cycle
from tests.conftest import small_model


def logit(p: float) -> float:
    return math.log(p / (1 - p))


@pytest.mark.parametrize(
    ("p", "real", "kind", "expected"),
    [
        (0.9, True, "bce", 0.105361),  # -ln 0.9: the book's example
        (0.1, True, "bce", 2.302585),  # -ln 0.1
        (0.9, False, "bce", 2.302585),
        (0.5, True, "bce", math.log(2)),
        (0.9, True, "mse", 0.01),
        (0.9, False, "mse", 0.81),
        (0.5, False, "mse", 0.25),
    ],
)
def test_adversarial_loss_by_hand(p: float, real: bool, kind: str, expected: float) -> None:
    logits = torch.tensor([[logit(p)]])
    assert adversarial_loss(logits, real, kind).item() == pytest.approx(expected, abs=1e-5)  # type: ignore[arg-type]


def test_adversarial_loss_stays_finite_where_a_sigmoid_rounds_to_zero() -> None:
    assert adversarial_loss(torch.tensor([-200.0]), True, "bce").item() == pytest.approx(200.0)


def test_bernoulli_nll_sums_pixels_and_keeps_examples() -> None:
    logits = torch.tensor([[logit(0.8), logit(0.3)], [0.0, 0.0]])
    target = torch.tensor([[1.0, 0.0], [1.0, 0.5]])
    expected = [-math.log(0.8) - math.log(0.7), 2 * math.log(2)]
    assert bernoulli_nll(logits, target).tolist() == pytest.approx(expected, abs=1e-5)


def test_gaussian_kl_by_hand_and_against_torch() -> None:
    # mu = 2, var = 1: 1/2 (4 + 1 - 1 - 0) = 2
    assert gaussian_kl(torch.tensor([[2.0]]), torch.tensor([[0.0]])).item() == pytest.approx(2.0)
    generator = torch.Generator().manual_seed(0)
    mu, logvar = torch.randn(5, 7, generator=generator), torch.randn(5, 7, generator=generator)
    q = torch.distributions.Normal(mu, (logvar / 2).exp())
    p = torch.distributions.Normal(torch.zeros(7), torch.ones(7))
    torch.testing.assert_close(gaussian_kl(mu, logvar), torch.distributions.kl_divergence(q, p).sum(1))


def test_cosine_falls_from_one_to_its_end_by_hand() -> None:
    assert [cosine(step, 4) for step in range(5)] == pytest.approx([1, 0.8535534, 0.5, 0.1464466, 0])
    assert [cosine(step, 2, end=0.5) for step in (0, 1, 2)] == pytest.approx([1, 0.75, 0.5])
    assert cosine(9, 4) == 0, "past the end it stays there"


def test_a_vae_whose_rate_falls_trains_with_the_rate_of_its_schedule() -> None:
    model = small_model("vae", lr_end=0.1)
    assert model.schedule(0, 100) == {"model": 1.0}
    assert model.schedule(100, 100)["model"] == pytest.approx(0.1)
    assert small_model("vae").schedule(50, 100) == {"model": 1.0}, "by default it is constant"


@pytest.mark.parametrize(
    ("family", "names"),
    [
        ("dcgan", ("discriminator", "generator")),
        ("cgan", ("discriminator", "generator")),
        ("wgan_gp", ("critic", "generator")),
    ],
)
def test_learning_rates_of_both_networks_of_a_gan_decay_linearly(family: str, names: tuple[str, str]) -> None:
    model = small_model(family, lr_end=0.2)
    assert [model.schedule(step, 100)[name] for name in names for step in (0, 50, 100, 200)] == pytest.approx(
        [1, 0.6, 0.2, 0.2] * 2
    )
    assert set(small_model(family).schedule(70, 100).values()) == {1.0}, "by default they are constant"


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        # outputs of logits (ln 3, -ln 3): sigmoid (0.75, 0.25); label 0, so the target is (1, 0)
        ({"loss": "mse", "output": "sigmoid"}, 0.0625),
        ({"loss": "bce", "output": "sigmoid"}, 0.287682),  # -ln 0.75, twice, halved
        ({"loss": "mse", "output": "leaky_relu"}, ((math.log(3) - 1) ** 2 + (0.02 * math.log(3)) ** 2) / 2),
        ({"loss": "cross_entropy", "output": "none"}, 0.105361),  # -ln(9 / 10)
    ],
)
def test_a_classifiers_losses_by_hand(settings: dict[str, str], expected: float) -> None:
    model = small_model("mlp_classifier", num_classes=2, **settings)
    logits = torch.tensor([[math.log(3), -math.log(3)]])
    assert model._loss(logits, torch.tensor([0])).item() == pytest.approx(expected, abs=1e-5)


def test_a_classifiers_loss_must_fit_its_output() -> None:
    with pytest.raises(ConfigError, match="needs output = 'sigmoid'"):
        small_model("mlp_classifier", loss="bce", output="leaky_relu")


def test_one_cycle_by_hand() -> None:
    # start 1/20, up to 1 at the middle of the first 80 %, back to 1/20 at 80 %, to 0 at the end
    found = [one_cycle(progress, 20, 0.2) for progress in (0, 0.2, 0.4, 0.6, 0.8, 0.9, 1.0)]
    assert found == pytest.approx([0.05, 0.525, 1.0, 0.525, 0.05, 0.025, 0.0])


def test_momentum_is_low_where_the_rate_is_high() -> None:
    model = small_model("darknet", lr=1.0)
    optimizer = model.configure_optimizers()["model"]
    for rate, momentum in ((0.05, 0.95), (0.525, 0.90), (1.0, 0.85), (0.0, 0.95)):
        optimizer.param_groups[0]["lr"] = rate
        model._cycle_momentum(optimizer)
        assert optimizer.param_groups[0]["momentum"] == pytest.approx(momentum)


def test_pictures_are_varied_by_whole_pixels_and_mirrors_only() -> None:
    model = small_model("darknet", shift=2, flip=False)
    x = torch.arange(28 * 28, dtype=torch.float32).view(1, 1, 28, 28).repeat(64, 1, 1, 1)
    varied = model._augment(x)
    corners = {tuple(picture[0, 2:4, 2:4].flatten().tolist()) for picture in varied}
    allowed = {
        tuple(x[0, 0, 2 + i : 4 + i, 2 + j : 4 + j].flatten().tolist()) for i in range(-2, 3) for j in range(-2, 3)
    }
    assert corners <= allowed
    assert len(corners) > 15, "each picture draws its own shift"
    mirrored = small_model("darknet", shift=0)._augment(x)
    assert {bool(picture[0, 0, 0] == 27) for picture in mirrored} == {True, False}


def test_the_kl_term_is_faded_in_and_stays() -> None:
    model = small_model("vae", kl_weight=2.0, kl_warmup=100)
    assert [model.kl_weight_at(step) for step in (0, 50, 100, 5000)] == pytest.approx([0.2, 1.1, 2.0, 2.0])
    assert small_model("vae").kl_weight_at(0) == 1.0
