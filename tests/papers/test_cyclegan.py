"""CycleGAN: networks, objective against values by hand, replay buffer, schedule, and updates."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from genmodels import data, evaluation, recipes, registry
from genmodels.data import DataConfig
from genmodels.data.loader import to_float
from genmodels.errors import ConfigError
from genmodels.images import preview
from genmodels.layers import augment
from genmodels.layers.image_pool import ImagePool
from genmodels.losses import least_squares_loss
from genmodels.models import cyclegan
from genmodels.models.fast_style import ResidualBlock
from tests.conftest import digit_batch, small_model, small_spec


def built(**settings: Any) -> Any:
    torch.manual_seed(0)
    shape = settings.pop("image_shape", (3, 32, 32))
    return registry.get("cyclegan").build(image_shape=shape, **settings)


# ------------------------------------------------------------------ networks


def test_the_canonical_networks_have_the_papers_sizes() -> None:
    with torch.device("meta"):
        model = registry.get("cyclegan").build(image_shape=(3, 256, 256))
    # The authors' counts, 11.378 and 2.765 million, minus the biases before instance norm: 3,648 - 3 and 896.
    assert sum(p.numel() for p in model.generator_ab.parameters()) == 11_378_179 - sum(
        [64, 128, 256, 18 * 256, 128, 64]
    )
    assert sum(p.numel() for p in model.discriminator_a.parameters()) == 2_764_737 - sum([128, 256, 512])
    scores = model.discriminator_a(torch.empty(1, 3, 256, 256, device="meta"))
    assert scores.shape == (1, 1, 30, 30), "one per patch of 70 pixels"


@pytest.mark.parametrize(
    ("settings", "multiple"),
    [
        ({"resnet_channels": 4, "residual_blocks": 2}, 4),
        ({"resnet_channels": 4, "residual_blocks": 1, "upsample": "nearest"}, 4),
        ({"generator": "unet", "unet_channels": [4, 4, 4, 4]}, 16),
        ({"generator": "unet", "unet_channels": [4]}, 2),
        ({"resnet_channels": 4, "residual_blocks": 1, "attention": True}, 4),
        ({"generator": "unet", "unet_channels": [4, 4], "attention": True}, 4),
    ],
)
def test_networks_keep_the_shape_and_the_images_of_a_batch_independent(settings: dict[str, Any], multiple: int) -> None:
    model = built(discriminator_channels=[4], init_std=None, **settings).eval()
    assert model.multiple == multiple
    x = torch.rand(3, 3, 4 * multiple, 6 * multiple) * 2 - 1
    y = model.translate(x, "a_to_b").detach()
    assert y.shape == x.shape
    assert float(y.abs().max()) <= 1
    torch.testing.assert_close(y[1:2], model.translate(x[1:2], "a_to_b"), atol=1e-5, rtol=1e-4)
    # the discriminator scores real and translated images in one batch
    scores = model.discriminator_b(x)
    torch.testing.assert_close(scores[2:], model.discriminator_b(x[2:]), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"image_shape": (3, 30, 32)}, r"30x32 is no multiple of 4: change data\.size"),
        ({"image_shape": (3, 24, 24), "generator": "unet"}, "no multiple of 16: change data.size, or choose fewer"),
        ({"image_shape": (3, 4, 4)}, "below 8x8"),
        ({"image_shape": (3, 8, 8)}, "discriminator_channels reduce a 8x8 image to nothing"),
    ],
)
def test_image_sizes_that_do_not_fit_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        built(**settings)


def test_a_residual_block_with_zero_weights_is_the_identity() -> None:
    torch.manual_seed(0)
    block, x = ResidualBlock(6), torch.randn(2, 6, 9, 7)
    assert not torch.equal(block(x), x)
    for parameter in block.parameters():
        torch.nn.init.zeros_(parameter)
    assert torch.equal(block(x), x)


# ----------------------------------------------------------------- objective


def test_least_squares_by_hand() -> None:
    scores = torch.tensor([[0.0, 2.0], [0.5, 1.0]])
    assert float(least_squares_loss(scores, real=True)) == pytest.approx((1 + 1 + 0.25 + 0) / 4)
    assert float(least_squares_loss(scores, real=False)) == pytest.approx((0 + 4 + 0.25 + 1) / 4)


class _Constant(torch.nn.Module):
    """Outputs `weight` at every pixel."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor(value))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.weight.expand_as(x)


def test_attention_keeps_pixels_outside_the_mask() -> None:
    """x + m (y - x) by hand, at m = 0, 1 and 1/2."""
    x = torch.tensor([0.5, -0.5, 1.0]).view(1, 1, 1, 3)
    output = torch.cat([torch.tensor([-1.0, 0.25, 0.0]).view(1, 1, 1, 3), torch.tensor([-1.0, 1.0, 0.0]).view_as(x)], 1)
    y, mask = cyclegan.apply_mask(output, x)
    assert mask.flatten().tolist() == [0.0, 1.0, 0.5]
    assert y.flatten().tolist() == [0.5, 0.25, 0.5]


class _Masked(torch.nn.Module):
    """Predicts -1 everywhere, with a mask of `value` everywhere."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor(2 * value - 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([-torch.ones_like(x), self.weight.expand_as(x[:, :1])], 1)


def test_every_use_of_a_generator_applies_the_mask() -> None:
    """G goes a quarter of the way to black, F half of it: cycle, identity and translation by hand."""
    model = small_model("cyclegan", zoom=1, flip=False, identity_weight=1.0, attention=True)
    model.generator_ab, model.generator_ba = _Masked(0.25), _Masked(0.5)
    optimizers = model.configure_optimizers()
    optimizers["generators"].param_groups[0]["lr"] = 0.0
    a, b = torch.full((1, 1, 28, 28), 1.0), torch.full((1, 1, 28, 28), 0.0)
    metrics = {k: float(v) for k, v in model.training_step({"image_a": a, "image_b": b}, optimizers, 0).items()}
    fake_b, fake_a = 1 - 0.25 * 2, 0 - 0.5 * 1  # G(a), F(b)
    assert metrics["loss/cycle_a"] == pytest.approx(abs(fake_b - 0.5 * (fake_b + 1) - 1))
    assert metrics["loss/cycle_b"] == pytest.approx(abs(fake_a - 0.25 * (fake_a + 1) - 0))
    assert metrics["loss/identity"] == pytest.approx(0.5 * (abs(-0.25) + abs(-0.5 * 2)))
    torch.testing.assert_close(model.translate(a, "a_to_b"), torch.full_like(a, fake_b))


@pytest.mark.parametrize("settings", [{"residual_blocks": 1}, {"generator": "unet", "unet_channels": [4]}])
def test_the_initial_mask_is_open(settings: dict[str, Any]) -> None:
    """A closed mask has no gradient."""
    model = built(resnet_channels=4, discriminator_channels=[4], attention=True, **settings)
    x = torch.rand(1, 3, 16, 16) * 2 - 1
    mask = cyclegan.apply_mask(model.generator_ba(x), x)[1]
    torch.testing.assert_close(mask, torch.full((1, 1, 16, 16), 0.5 * (math.tanh(1.5) + 1)))


def test_only_the_discriminators_change_during_their_warm_up() -> None:
    model: Any = small_model("cyclegan", discriminator_warmup=2).train()
    optimizers = model.configure_optimizers()
    images = torch.rand(2, 1, 28, 28) * 2 - 1
    trained = []
    for step in range(3):
        before = {key: value.clone() for key, value in model.named_parameters()}
        model.training_step({"image_a": images, "image_b": -images}, optimizers, step)
        changed = {key.split("_")[0] for key, value in model.named_parameters() if not torch.equal(value, before[key])}
        trained.append(sorted(changed))
    assert trained == [["discriminator"], ["discriminator"], ["discriminator", "generator"]]


def test_a_training_shorter_than_the_warm_up_is_refused() -> None:
    small_spec("cyclegan", "model.discriminator_warmup=99", "train.max_steps=100")
    with pytest.raises(
        ConfigError, match=r"discriminator_warmup = 100 leaves no step for the generators: train\.max_steps = 100"
    ):
        small_spec("cyclegan", "model.discriminator_warmup=100", "train.max_steps=100")


@pytest.mark.parametrize("identity", [5.0, 1.0, 0.0])
def test_the_objective_by_hand(identity: float) -> None:
    """Generators and discriminators with constant outputs: every term can be computed by hand."""
    model = small_model("cyclegan", zoom=1, flip=False, identity_weight=identity, cycle_weight=10.0)
    model.generator_ab, model.generator_ba = _Constant(0.25), _Constant(-0.5)
    model.discriminator_a, model.discriminator_b = _Constant(0.75), _Constant(0.25)
    optimizers = model.configure_optimizers()
    for optimizer in optimizers.values():
        optimizer.param_groups[0]["lr"] = 0.0
    a, b = torch.full((2, 1, 28, 28), 1.0), torch.full((2, 1, 28, 28), -1.0)
    metrics = {k: float(v) for k, v in model.training_step({"image_a": a, "image_b": b}, optimizers, 0).items()}
    adversarial = (0.25 - 1) ** 2 + (0.75 - 1) ** 2  # D_B on G(a), D_A on F(b)
    cycle_a, cycle_b = abs(-0.5 - 1), abs(0.25 + 1)  # F(G(a)) against a, G(F(b)) against b
    identity_loss = abs(0.25 + 1) + abs(-0.5 - 1)  # G(b) against b, F(a) against a
    assert metrics["loss/generator"] == pytest.approx(adversarial / 2)
    assert (metrics["loss/cycle_a"], metrics["loss/cycle_b"]) == pytest.approx((cycle_a, cycle_b))
    assert metrics["loss/total"] == pytest.approx(adversarial + 10 * (cycle_a + cycle_b) + identity * identity_loss)
    discriminator = 0.5 * (((0.75 - 1) ** 2 + 0.75**2) + ((0.25 - 1) ** 2 + 0.25**2))
    assert metrics["loss/discriminator"] == pytest.approx(discriminator / 2)
    assert ("loss/identity" in metrics) == bool(identity)


@pytest.mark.parametrize("frozen", ["generators", "discriminators"])
def test_each_update_changes_its_own_networks_only(frozen: str) -> None:
    model: Any = small_model("cyclegan").train()
    optimizers = model.configure_optimizers()
    optimizers[frozen].param_groups[0]["lr"] = 0.0
    before = {key: value.clone() for key, value in model.named_parameters()}
    gradients: list[bool] = []
    step = optimizers["generators"].step
    optimizers["generators"].step = lambda: (  # type: ignore[method-assign]
        gradients.append(any(p.grad is not None for p in model.discriminator_a.parameters())),
        step(),
    )[1]
    model.training_step(digit_batch(2), optimizers, 0)
    changed = {
        key.split(".")[0][:-2].rstrip("_") for key, v in model.named_parameters() if not torch.equal(before[key], v)
    }
    assert changed == ({"discriminator"} if frozen == "generators" else {"generator"})
    assert gradients == [False], "the generators' update computes no gradients of the discriminators"


def test_the_learning_rate_is_constant_then_falls_to_zero() -> None:
    model = small_model("cyclegan")
    factors = [model.schedule(step, 200)["generators"] for step in (0, 50, 100, 125, 150, 199, 200, 300)]
    assert factors == pytest.approx([1, 1, 1, 0.75, 0.5, 0.01, 0, 0])
    assert model.schedule(150, 200)["discriminators"] == 0.5
    constant = small_model("cyclegan", decay_from=1.0)
    assert [constant.schedule(step, 200)["generators"] for step in (0, 200)] == [1, 1]


# ------------------------------------------------------------- replay buffer


def images(*values: float) -> torch.Tensor:
    return torch.tensor(values).view(-1, 1, 1, 1).expand(-1, 1, 2, 2).clone()


def test_a_full_pool_returns_stored_images_half_of_the_time() -> None:
    torch.manual_seed(0)
    pool = ImagePool(50, (1, 2, 2))
    first = images(*torch.linspace(-1, 0, 50).tolist())
    assert torch.equal(pool.exchange(first), first)
    assert pool.filled == 50
    older = sum(int((pool.exchange(images(1.0)) <= 0).all()) for _ in range(50))
    assert 12 <= older <= 32, "half of 50, minus later images that were replaced"
    for _ in range(20):
        pool.exchange(images(*([1.0] * 50)))
    assert pool.pictures.min() == 255, "all of the first images have been replaced"
    torch.manual_seed(1)
    pool = ImagePool(50, (1, 2, 2))
    pool.exchange(first)
    returned = sum(int((pool.exchange(images(2 * n / 2000)) < 1e-3).all()) for n in range(1, 1001))
    assert 35 <= returned <= 50, "each of the 50 first images is returned once, when it is replaced"


def test_a_stored_image_is_returned_with_rounding_only() -> None:
    pool = ImagePool(1, (1, 2, 2))
    pool.exchange(images(0.3))
    torch.manual_seed(0)
    means = [float(pool.exchange(images(0.3)).mean()) for _ in range(20)]
    assert max(abs(value - 0.3) for value in means) <= 1 / 255
    assert {round(value, 4) for value in means} == {0.3, round(float(to_float(pool.pictures).mean()), 4)}
    assert torch.equal(ImagePool(0, (1, 2, 2)).exchange(images(0.5)), images(0.5))


def test_a_pool_is_saved_with_the_weights() -> None:
    pool, other = ImagePool(4, (1, 2, 2)), ImagePool(4, (1, 2, 2))
    pool.exchange(images(0.1, 0.2, 0.3))
    other.load_state_dict(pool.state_dict())
    assert other.filled == 3
    assert torch.equal(other.pictures, pool.pictures)


def test_zoom_crops_the_enlarged_image_and_keeps_its_range() -> None:
    ramp = torch.linspace(-1, 1, 32).expand(2, 1, 32, 32)
    zoomed = augment.zoomed(ramp, 1.25, torch.Generator().manual_seed(0))
    assert zoomed.shape == ramp.shape
    assert float(zoomed.abs().max()) <= 1
    slope = (zoomed[:, :, :, 20] - zoomed[:, :, :, 10]) / (ramp[:, :, :, 20] - ramp[:, :, :, 10])
    torch.testing.assert_close(slope, torch.full_like(slope, 1 / 1.25), atol=0.01, rtol=0.01)
    assert augment.zoomed(ramp, 1.0) is ramp


# ----------------------------------------------------- recipes, evaluation, preview


@pytest.mark.parametrize("name", [name for name in recipes.names() if "cyclegan" in name])
def test_each_recipe_has_a_quick_preset_without_downloads(name: str) -> None:
    recipe = recipes.get(name)
    spec = recipes.resolve(recipe, preset="quick")
    assert spec.data.name == "digits2inverted"
    assert spec.data_spec.pairs == 2_250
    with torch.device("meta"):
        whole = registry.get("cyclegan").build(
            image_shape=(3, recipe.data["size"], recipe.data["size"]), **recipe.model
        )
    assert whole.multiple in (4, 16)
    epoch = recipes.resolve(recipe, preset="quick", overrides={"train": {"max_epochs": 2, "batch_size": 50}})
    assert epoch.train.max_steps == 2 * 2_250 // 50, "an epoch is counted in pairs"


def test_the_cycle_error_and_the_preview_show_the_cycle() -> None:
    model = small_model("cyclegan", cycle_weight=1.0)
    model.generator_ab, model.generator_ba = _Negative(), _Negative()
    spec = recipes.resolve(recipes.family("cyclegan"))
    metrics = evaluation.brief(model, spec)
    assert metrics == {"cycle/a": 0, "cycle/b": 0, "cycle/error": 0}
    model.generator_ba = _Constant(1.0)
    arrays = data.load(DataConfig(name="digits2inverted"), "test")
    metrics = evaluation.evaluate(model, spec)
    examples = to_float(torch.from_numpy(arrays.images))
    labels = torch.from_numpy(arrays.labels)
    assert metrics["cycle/a"] == pytest.approx(float((1 - examples[labels == 0]).mean()), rel=1e-4)
    assert metrics["cycle/error"] == pytest.approx((metrics["cycle/a"] + metrics["cycle/b"]) / 2)
    image = preview.image_preview(model, examples[:64], labels[:64])
    assert image is not None
    assert image.height > image.width, "eight rows of two times three images"


class _Negative(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return -x
