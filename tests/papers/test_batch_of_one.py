"""A batch of one trains in every family, or is refused by the name of its field before anything starts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from genmodels import recipes, registry
from genmodels.errors import ConfigError
from genmodels.runs.folder import RunFolder
from genmodels.training import runner
from tests.conftest import FAMILIES, SMALL, digit_batch, shape_of, small_model, small_spec

SETTINGS: list[tuple[str, dict[str, Any]]] = [
    *((name, {}) for name in FAMILIES if "audio" not in registry.config_class(name).batch_keys),
    ("cgan", {"generator_norm": "none"}),
    ("cgan", {"generator_norm": "none", "discriminator_norm": "batch", "discriminator_sizes": [8, 8]}),
    ("cgan", {"generator_norm": "none", "discriminator_norm": "batch", "discriminator_sizes": [8]}),
    ("wgan", {"generator_norm": "none"}),
    ("wgan_gp", {"networks": "mlp", "generator_sizes": [8], "discriminator_sizes": [8]}),
    ("dcgan", {"generator_strides": [4, 4, 1], "image_shape": (1, 16, 16)}),
    ("dcgan", {"discriminator_norm": "batch", "discriminator_channels": [4] * 3, "discriminator_strides": [4, 4, 4]}),
    ("dcgan", {"padding": "none", "generator_kernel": 4, "discriminator_norm": "batch", "discriminator_kernel": 4}),
    ("darknet", {"groups": [1]}),
    ("darknet", {"groups": [1] * 5, "image_shape": (1, 16, 16), "channels": 2}),
    ("cnn_classifier", {"channels": [4] * 5, "pool_after": [1, 2, 3, 4], "image_shape": (1, 16, 16)}),
    ("cnn_classifier", {"channels": [4] * 4, "pool_after": [1, 2, 3, 4], "image_shape": (1, 16, 16)}),
    ("pixelcnn", {"image_shape": (1, 1, 1)}),
]


def measured(model: nn.Module, batch: dict[str, torch.Tensor]) -> int | None:
    """Fewest values per channel and image that reach a batch normalisation in training steps."""
    counts: list[int] = []

    def note(_: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        counts.append(inputs[0].numel() // (inputs[0].shape[0] * inputs[0].shape[1]))

    for module in model.modules():
        if isinstance(module, _BatchNorm):
            module.register_forward_pre_hook(note)
    optimizers = model.configure_optimizers()
    for step in range(3):
        model.training_step(batch, optimizers, step)
    return min(counts, default=None)


@pytest.mark.parametrize(("name", "settings"), SETTINGS)
def test_what_a_config_says_of_its_batch_normalisation_is_what_its_network_does(
    name: str, settings: dict[str, Any]
) -> None:
    model = small_model(name, **settings).train()
    _, height, width = model.config.image_shape
    batch = {key: value[..., :height, :width] if value.dim() == 4 else value for key, value in digit_batch(4).items()}
    assert model.config.fewest_normalised == measured(model, batch)


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES)
def test_a_batch_of_one_is_trained_or_refused_by_its_field(name: str, tmp_path: Path) -> None:
    settings = ["train.batch_size=1", "train.max_steps=6", "train.log_every=1"]
    if registry.config_class(name).parse({**shape_of(name), **SMALL[name]}).fewest_normalised == 1:
        with pytest.raises(ConfigError, match=r"train\.batch_size = 1"):
            small_spec(name, *settings)
        return
    folder = RunFolder.create(tmp_path / "run", small_spec(name, *settings))
    assert runner.train_folder(folder, device="cpu") == "finished"


@pytest.mark.parametrize("recipe", ["mnist_cgan_product", "mnist_wgan"])
def test_recipes_with_batch_normalisation_of_single_numbers_refuse_it(recipe: str) -> None:
    patch = {"train": {"batch_size": 1}, "data": {"name": "digits"}}
    with pytest.raises(ConfigError, match=r"train\.batch_size = 1 is not allowed .* choose 2 or more"):
        recipes.resolve(recipes.get(recipe), overrides=patch)
    patch["train"]["batch_size"] = 2
    recipes.resolve(recipes.get(recipe), overrides=patch)


def test_an_autoencoder_measures_the_variance_of_its_codes_with_batches_of_one() -> None:
    model = small_model("autoencoder", lr=1e-9).train()
    optimizers = model.configure_optimizers()
    images = digit_batch(64)["image"]
    for step in range(2_000):
        model.training_step({"image": images[step % 64 :][:1]}, optimizers, step)
    z = model.encode(images)
    assert torch.allclose(z.std(0), torch.ones(4), atol=0.35)
