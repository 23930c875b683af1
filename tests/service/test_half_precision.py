"""Generators as the pages hold them: in the number format that is faster here, the same pictures to the eye."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from genmodels import checkpoint, recipes
from genmodels.model import Model
from genmodels.service import quick

CONVOLUTIONAL = ["mnist_dcgan", "mnist_cgan_conv", "mnist_wgan_gp"]
GREY_LEVEL = 2 / 255


def untrained(recipe: str) -> Model:
    spec = recipes.resolve(recipes.get(recipe), preset="quick", overrides={"data": {"name": "digits"}})
    torch.manual_seed(0)
    return checkpoint.build(spec.model_dump()).eval().requires_grad_(False)


@torch.inference_mode()
def drawn(model: Model, count: int = 16) -> Tensor:
    pictures: Tensor = model.sample(count, generator=torch.Generator().manual_seed(1))  # type: ignore[operator]
    return pictures


@pytest.mark.parametrize("recipe", CONVOLUTIONAL)
def test_half_precision_moves_no_picture_by_more_than_the_eye_sees(recipe: str) -> None:
    exact, half = untrained(recipe), quick.quickened(untrained(recipe), "bf16")
    difference = (drawn(half) - drawn(exact)).abs()
    assert drawn(half).dtype == torch.float32
    assert 0 < difference.mean() < GREY_LEVEL / 2, "bfloat16 was not used, or too coarse"
    assert difference.max() < 8 * GREY_LEVEL


@pytest.mark.parametrize("recipe", CONVOLUTIONAL)
def test_the_faster_format_is_timed_once_and_kept(recipe: str) -> None:
    quick._timed.clear()
    first, second = quick.quickened(untrained(recipe)), quick.quickened(untrained(recipe))
    (kept,) = quick._timed.values()
    for model in (first, second):
        assert isinstance(model.generator, quick.InHalf) == (kept == "bf16")
    assert torch.equal(drawn(first), drawn(second))
    quick._timed[next(iter(quick._timed))] = other = "fp32" if kept == "bf16" else "bf16"
    assert isinstance(quick.quickened(untrained(recipe)).generator, quick.InHalf) == (other == "bf16")
    quick._timed.clear()


def test_asking_for_float32_changes_no_bit() -> None:
    assert torch.equal(drawn(quick.quickened(untrained("mnist_dcgan"), "fp32")), drawn(untrained("mnist_dcgan")))


@pytest.mark.parametrize("recipe", ["mnist_gan", "mnist_cgan_product", "mnist_vae_2d_deep", "mnist_mlp_adam"])
def test_what_has_no_convolutional_generator_is_left_alone(recipe: str) -> None:
    model = untrained(recipe)
    networks = dict(model.named_modules())
    assert dict(quick.quickened(model).named_modules()) == networks
