"""Layers that the settings of a GAN's networks build, and what each does."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrize import is_parametrized

from genmodels.models.wgan import WGAN
from tests.conftest import small_model

NAMES: dict[type[nn.Module], str] = {
    nn.Linear: "linear",
    nn.ConvTranspose2d: "transposed",
    nn.Conv2d: "conv",
    nn.Upsample: "upsample",
    nn.BatchNorm1d: "norm",
    nn.BatchNorm2d: "norm",
    nn.ReLU: "relu",
    nn.LeakyReLU: "leaky",
    nn.GELU: "gelu",
    nn.Tanh: "tanh",
    nn.Dropout: "dropout",
    nn.Flatten: "reshape",
    nn.Unflatten: "reshape",
}


def both(networks: str, **settings: Any) -> tuple[nn.Sequential, nn.Sequential]:
    """A small generator and a small critic, of three layers each."""
    small = {
        "generator_channels": [4, 3, 2],
        "discriminator_channels": [2, 3, 4],
        "discriminator_strides": [2, 2, 1],
        "generator_sizes": [6, 5],
        "discriminator_sizes": [6, 5, 4],
        "latent_dim": 8,
    }
    torch.manual_seed(0)
    model = WGAN.build(image_shape=[1, 28, 28], networks=networks, **{**small, **settings})
    assert model.critic is not None
    return model.generator.train(), model.critic.train()


def kinds(network: nn.Sequential) -> str:
    return " ".join(next(name for kind, name in NAMES.items() if isinstance(layer, kind)) for layer in network)


@pytest.mark.parametrize(
    ("networks", "settings", "expected"),
    [
        ("conv", {}, "linear reshape norm relu transposed norm relu transposed norm relu transposed tanh"),
        ("conv", {"generator_norm": "none"}, "linear reshape relu transposed relu transposed relu transposed tanh"),
        (
            "conv",
            {"upsample": "nearest", "generator_activation": "gelu"},
            "linear reshape norm gelu conv norm gelu upsample conv norm gelu upsample conv tanh",
        ),
        (
            "conv",
            {"padding": "none", "generator_kernel": 4, "discriminator_kernel": 4},
            "linear reshape norm relu transposed norm relu transposed norm relu transposed tanh",
        ),
        ("mlp", {"dropout": 0.4}, "linear norm relu linear norm relu linear tanh reshape"),
        (
            "mlp",
            {"generator_norm": "none", "generator_activation": "gelu"},
            "linear gelu linear gelu linear tanh reshape",
        ),
        ("mlp", {"generator_activation": "leaky_relu"}, "linear norm leaky linear norm leaky linear tanh reshape"),
    ],
)
def test_the_layers_of_a_generator(networks: str, settings: dict[str, Any], expected: str) -> None:
    generator, _ = both(networks, **settings)
    assert kinds(generator) == expected
    with torch.no_grad():
        assert generator(torch.randn(3, 8)).shape == (3, 1, 28, 28)


@pytest.mark.parametrize(
    ("networks", "settings", "expected"),
    [
        ("conv", {}, "conv leaky conv leaky conv leaky reshape linear"),
        (
            "conv",
            {"discriminator_norm": "batch"},
            "conv leaky conv norm leaky conv norm leaky reshape linear",
        ),
        (
            "conv",
            {"dropout": 0.4, "discriminator_activation": "gelu"},
            "conv gelu dropout conv gelu dropout conv gelu dropout reshape linear",
        ),
        ("conv", {"discriminator_norm": "spectral"}, "conv leaky conv leaky conv leaky reshape linear"),
        ("mlp", {"discriminator_norm": "spectral"}, "reshape linear leaky linear leaky linear leaky linear"),
        (
            "mlp",
            {"discriminator_norm": "batch"},
            "reshape linear leaky linear norm leaky linear norm leaky linear",
        ),
        (
            "mlp",
            {"dropout": 0.4, "discriminator_activation": "gelu"},
            "reshape linear gelu dropout linear gelu dropout linear gelu dropout linear",
        ),
    ],
)
def test_the_layers_of_a_discriminator(networks: str, settings: dict[str, Any], expected: str) -> None:
    _, discriminator = both(networks, **settings)
    assert kinds(discriminator) == expected
    assert discriminator(torch.randn(3, 1, 28, 28)).shape == (3, 1)


def test_nearest_repeats_pixels_as_often_as_the_stride_says() -> None:
    generator, _ = both("conv", upsample="nearest", generator_strides=[1, 4, 1], generator_kernel=5)
    (upsample,) = [layer for layer in generator if isinstance(layer, nn.Upsample)]
    image = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    assert torch.equal(upsample(image), image.repeat_interleave(4, 2).repeat_interleave(4, 3))


@pytest.mark.parametrize("networks", ["mlp", "conv"])
def test_activations_have_the_slope_they_are_given(networks: str) -> None:
    for network in both(networks, generator_activation="leaky_relu", leaky_slope=0.3):
        activations = [layer for layer in network if isinstance(layer, nn.LeakyReLU)]
        assert len(activations) >= 2
        for activation in activations:
            assert activation(torch.tensor([-2.0, 2.0])).tolist() == pytest.approx([-0.6, 2.0])
    gelu = next(layer for layer in both(networks, generator_activation="gelu")[0] if isinstance(layer, nn.GELU))
    # x Phi(x) at -1 and 1
    assert gelu(torch.tensor([-1.0, 1.0])).tolist() == pytest.approx([-0.158655, 0.841345], abs=1e-5)


@pytest.mark.parametrize("networks", ["mlp", "conv"])
def test_a_discriminator_has_its_dropout_rate_during_training(networks: str) -> None:
    _, discriminator = both(networks, dropout=0.4)
    layers = [layer for layer in discriminator if isinstance(layer, nn.Dropout)]
    assert [layer.p for layer in layers] == [0.4] * 3
    x = torch.randn(2, 1, 28, 28)
    with torch.no_grad():
        assert not torch.equal(discriminator(x), discriminator(x))
        discriminator.eval()
        assert torch.equal(discriminator(x), discriminator(x))


@pytest.mark.parametrize("networks", ["mlp", "conv"])
@pytest.mark.parametrize("norm", ["spectral", "batch", "none"])
def test_spectral_normalisation_bounds_every_layer_of_d_and_none_of_g(networks: str, norm: str) -> None:
    generator, discriminator = both(networks, discriminator_norm=norm)
    weighted = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)
    assert not any(is_parametrized(layer) for layer in generator)
    layers = [layer for layer in discriminator if isinstance(layer, weighted)]
    assert len(layers) == 4
    assert [is_parametrized(layer, "weight") for layer in layers] == [norm == "spectral"] * 4
    for _ in range(50):
        discriminator(torch.randn(2, 1, 28, 28))
    if norm == "spectral":
        norms = [float(torch.linalg.matrix_norm(layer.weight.detach().flatten(1), 2)) for layer in layers]
        assert norms == pytest.approx([1.0] * 4, rel=0.02)


@pytest.mark.parametrize("networks", ["mlp", "conv"])
def test_initial_weights_have_their_standard_deviation_and_scales_of_normalisation_are_around_one(
    networks: str,
) -> None:
    wide = {"generator_channels": [64] * 3, "discriminator_channels": [64] * 3} | {
        "generator_sizes": [200, 200],
        "discriminator_sizes": [200, 200, 200],
    }
    for network in both(networks, init_std=0.05, discriminator_norm="batch", **wide):
        for layer in network:
            weight = getattr(layer, "weight", None)
            if weight is None:
                continue
            norm = isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d)
            assert float(weight.detach().std()) == pytest.approx(0.05, rel=0.35), layer
            assert float(weight.detach().mean()) == pytest.approx(1.0 if norm else 0.0, abs=0.03), layer


@pytest.mark.parametrize(
    ("family", "part", "biased"),
    [("dcgan", "discriminator", True), ("wgan", "critic", False), ("wgan_gp", "critic", False)],
)
def test_only_a_critic_has_no_last_bias(family: str, part: str, biased: bool) -> None:
    last = getattr(small_model(family), part)[-1]
    assert isinstance(last, nn.Linear)
    assert (last.bias is not None) == biased
