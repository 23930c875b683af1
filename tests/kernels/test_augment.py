"""Differentiable augmentation: its ranges, its gradients, and which images a DCGAN augments."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from genmodels.layers import augment
from tests.conftest import digit_batch, small_model

MANY = 400


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_brightness_shifts_a_constant_image_by_up_to_a_half() -> None:
    augmented = augment.colour(torch.full((MANY, 3, 4, 4), 0.25), seeded())
    values = augmented.flatten(1)
    assert torch.allclose(values.amax(1), values.amin(1), atol=1e-6), "a constant image stays constant"
    assert float(values.min()) == pytest.approx(-0.25, abs=0.02)
    assert float(values.max()) == pytest.approx(0.75, abs=0.02)


def test_contrast_scales_a_grey_image_by_a_half_to_one_and_a_half() -> None:
    x = torch.tensor([-0.5, 0.5]).repeat(MANY, 3, 2, 1)
    dark, light = augment.colour(x, seeded())[:, :, 0].unbind(2)
    contrast = light - dark  # was 1; saturation does not touch grey
    assert torch.allclose(contrast[:, 0], contrast[:, 2], atol=1e-6)
    assert float(contrast.min()) == pytest.approx(0.5, abs=0.02)
    assert float(contrast.max()) == pytest.approx(1.5, abs=0.02)


def test_colours_by_hand() -> None:
    brightness, saturation, contrast = torch.rand(3, generator=seeded(3)).tolist()
    red, green = (0.9, 0.0, 0.0), (0.0, 0.6, 0.0)
    pixels = [[channel + brightness - 0.5 for channel in pixel] for pixel in (red, green)]
    greys = [sum(pixel) / 3 for pixel in pixels]
    pixels = [[g + (c - g) * 2 * saturation for c in pixel] for pixel, g in zip(pixels, greys, strict=True)]
    mean = sum(map(sum, pixels)) / 6
    expected = [[mean + (c - mean) * (contrast + 0.5) for c in pixel] for pixel in pixels]
    x = torch.tensor([red, green]).T.reshape(1, 3, 1, 2)
    torch.testing.assert_close(augment.colour(x, seeded(3))[0, :, 0].T, torch.tensor(expected))


def test_a_translated_image_is_a_window_of_it_with_zeros_around() -> None:
    x = torch.arange(1.0, 16 * 24 + 1).view(1, 1, 16, 24)
    translated = augment.translate(x.repeat(MANY, 1, 1, 1), seeded())
    padded = torch.nn.functional.pad(x, (3, 3, 2, 2))
    windows = {
        tuple(padded[0, 0, top : top + 16, left : left + 24].flatten().tolist())
        for top in range(5)
        for left in range(7)
    }
    shown = {tuple(image.flatten().tolist()) for image in translated}
    assert shown == windows, "an eighth of the side in each direction, every position possible"


@pytest.mark.parametrize(("height", "width"), [(8, 8), (9, 12)])
def test_half_the_side_is_cut_out_around_any_point(height: int, width: int) -> None:
    masked = augment.cutout(torch.ones(MANY, 3, height, width), seeded())
    assert set(masked.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(masked.amin(1), masked.amax(1)), "all channels are the same"
    hidden = masked[:, 0] == 0
    for side, spans in ((height, hidden.any(2)), (width, hidden.any(1))):
        lengths = spans.sum(1)
        full = round(side / 2)
        assert int(lengths.max()) == full
        assert int(lengths.min()) == full // 2, "the border crops half of it"
    area = hidden.any(2).sum(1) * hidden.any(1).sum(1)
    assert torch.equal(hidden.flatten(1).sum(1), area), "one rectangle"
    assert bool(hidden.any(0).all()), "every position is hidden at times"


def test_a_square_of_the_requested_size_is_cut_out() -> None:
    hidden = augment.cutout(torch.ones(MANY, 3, 9, 14), seeded(), size=4)[:, 0] == 0
    assert {int(spans.sum(1).max()) for spans in (hidden.any(1), hidden.any(2))} == {4}
    assert {int(spans.sum(1).min()) for spans in (hidden.any(1), hidden.any(2))} == {2}


AUGMENTATIONS = (augment.diff_augment, augment.colour, augment.translate, augment.cutout, augment.flip)


@pytest.mark.parametrize("augmentation", AUGMENTATIONS)
@pytest.mark.parametrize("shape", [(5, 1, 28, 28), (5, 3, 16, 24)])
def test_shapes_stay_and_the_generator_determines_the_result(
    augmentation: Callable[..., Tensor], shape: tuple[int, ...]
) -> None:
    x = torch.rand(shape, generator=seeded(1)) * 2 - 1
    state = torch.get_rng_state()
    once, again, other = (augmentation(x, seeded(seed)) for seed in (7, 7, 8))
    assert torch.equal(state, torch.get_rng_state()), "only the given generator is used"
    assert once.shape == x.shape
    assert once.dtype == torch.float32
    assert torch.equal(once, again)
    assert not torch.equal(once, other)
    copies = augmentation(x[:1].repeat(12, 1, 1, 1), seeded(7))
    assert len({tuple(image.flatten().tolist()) for image in copies}) > 1, "each image is augmented independently"


def test_a_gradient_flows_to_every_visible_pixel_and_to_no_hidden_one() -> None:
    x = torch.rand(6, 3, 16, 16, generator=seeded(2)).requires_grad_(True)
    shown = augment.cutout(torch.ones(6, 3, 16, 16), seeded(4)).bool()
    (gradient,) = torch.autograd.grad(augment.cutout(x, seeded(4)).sum(), x)
    assert torch.equal(gradient.bool(), shown)
    weights = torch.rand(6, 3, 16, 16, generator=seeded(5))
    direction = torch.randn(x.shape, generator=seeded(6), dtype=torch.float64)

    def scored(images: Tensor) -> Tensor:
        return (augment.diff_augment(images, seeded(4)).double() * weights).sum()

    (gradient,) = torch.autograd.grad(scored(x), x)
    # For a fixed generator the augmentation is linear: a directional derivative equals a difference of any length.
    difference = (scored(x + direction.float()) - scored(x)).item()
    assert (gradient.double() * direction).sum().item() == pytest.approx(difference, abs=1e-2)
    assert float(gradient.abs().sum()) > 0


def shown_to_the_discriminator(**settings: object) -> tuple[Tensor, Tensor, list[Tensor]]:
    """Real images, G's first images, and all inputs of D in one step, in batches of 16."""
    model = small_model("dcgan", **settings).train()
    seen: list[Tensor] = []
    generated: list[Tensor] = []
    model.discriminator.register_forward_pre_hook(lambda _module, given: seen.append(given[0].detach()))
    model.generator.register_forward_hook(lambda _module, _given, out: generated.append(out.detach()))
    real = digit_batch(16)
    model.training_step(real, model.configure_optimizers(), 0)
    return real["image"], generated[0], [*torch.cat(seen).split(16)]


def test_without_augmentation_d_sees_the_images_and_only_z_is_sampled() -> None:
    torch.manual_seed(3)
    real, fake, seen = shown_to_the_discriminator()
    assert [torch.equal(given, want) for given, want in zip(seen, (real, fake, fake), strict=True)] == [True] * 3
    model = small_model("dcgan").train()
    torch.manual_seed(3)
    model.training_step(digit_batch(16), model.configure_optimizers(), 0)
    after = torch.get_rng_state()
    torch.manual_seed(3)
    torch.randn(16, model.latent_dim)
    assert torch.equal(after, torch.get_rng_state()), "only z is sampled"


def test_real_and_generated_images_are_augmented_in_both_updates() -> None:
    real, fake, seen = shown_to_the_discriminator(augment="diff")
    assert len(seen) == 3
    for given, original in zip(seen, (real, fake, fake), strict=True):
        assert given.shape == original.shape
        changed = (given != original).flatten(1).any(1)
        assert bool(changed.all())
    assert not torch.equal(seen[1], seen[2]), "the generator's update has an augmentation of its own"


def test_only_real_images_are_mirrored() -> None:
    real, fake, seen = shown_to_the_discriminator(flip=True)
    mirrored = (seen[0] == real.flip(3)).flatten(1).all(1)
    assert bool((mirrored | (seen[0] == real).flatten(1).all(1)).all())
    assert 0 < int(mirrored.sum()) < len(real)
    assert torch.equal(seen[1], fake)
    assert torch.equal(seen[2], fake)


def test_g_learns_through_the_augmentation() -> None:
    model = small_model("dcgan", augment="diff", flip=True).train()
    before = {name: weight.clone() for name, weight in model.generator.named_parameters()}
    optimizers = model.configure_optimizers()
    for step in range(2):
        model.training_step(digit_batch(16), optimizers, step)
    assert [name for name, weight in model.generator.named_parameters() if torch.equal(before[name], weight)] == []
