"""Generators of the pages in the faster precision: visually the same images."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from genmodels import recipes
from genmodels.kernels import precision
from genmodels.model import Model
from genmodels.runs import checkpoint
from genmodels.service.half_precision import Bfloat16Network, with_faster_generator

CONVOLUTIONAL = ["mnist_dcgan", "mnist_cgan_conv", "mnist_wgan_gp", "mnist_flow"]
PART = {"mnist_flow": "network"}
GREY_LEVEL = 2 / 255


def untrained(recipe: str) -> Model:
    spec = recipes.resolve(recipes.get(recipe), preset="quick", overrides={"data": {"name": "digits"}})
    torch.manual_seed(0)
    return checkpoint.build(spec.model_dump()).eval().requires_grad_(False)


@torch.inference_mode()
def sample(model: Model, count: int = 16) -> Tensor:
    pictures: Tensor = model.sample(count, generator=torch.Generator().manual_seed(1))  # type: ignore[operator]
    return pictures


@pytest.mark.parametrize("recipe", CONVOLUTIONAL)
def test_bfloat16_changes_pixels_by_less_than_is_visible(recipe: str) -> None:
    exact, half = untrained(recipe), with_faster_generator(untrained(recipe), "bf16")
    difference = (sample(half) - sample(exact)).abs()
    assert sample(half).dtype == torch.float32
    assert 0 < difference.mean() < GREY_LEVEL / 2, "bfloat16 was not used, or too coarse"
    assert difference.max() < 8 * GREY_LEVEL


@pytest.mark.parametrize("recipe", CONVOLUTIONAL)
def test_the_faster_precision_is_measured_once(recipe: str) -> None:
    precision._faster.clear()
    part = PART.get(recipe, "generator")
    first, second = with_faster_generator(untrained(recipe)), with_faster_generator(untrained(recipe))
    (kept,) = precision._faster.values()
    for model in (first, second):
        assert isinstance(getattr(model, part), Bfloat16Network) == (kept == "bf16")
    assert torch.equal(sample(first), sample(second))
    precision._faster[next(iter(precision._faster))] = other = "fp32" if kept == "bf16" else "bf16"
    assert isinstance(getattr(with_faster_generator(untrained(recipe)), part), Bfloat16Network) == (other == "bf16")
    precision._faster.clear()


def test_float32_changes_no_bit() -> None:
    assert torch.equal(
        sample(with_faster_generator(untrained("mnist_dcgan"), "fp32")), sample(untrained("mnist_dcgan"))
    )


@pytest.mark.parametrize("recipe", ["mnist_gan", "mnist_cgan_product", "mnist_vae_2d_deep", "mnist_mlp_adam"])
def test_models_without_a_convolutional_generator_are_unchanged(recipe: str) -> None:
    model = untrained(recipe)
    networks = dict(model.named_modules())
    assert dict(with_faster_generator(model).named_modules()) == networks
