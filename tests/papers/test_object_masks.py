"""Object masks: the factorisation, the guided filter, the stored file, and the terms of CycleGAN's losses."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from genmodels import registry
from genmodels.data import object_masks as stored_masks
from genmodels.data.loader import UnpairedLoader
from genmodels.data.spec import Arrays
from genmodels.errors import ConfigError
from genmodels.evaluation import translation_metrics
from genmodels.images import object_masks
from genmodels.losses import hinge_loss, least_squares_loss, weighted_mean
from genmodels.models.cyclegan import CycleGAN
from genmodels.networks.object_weighting import WeightedImages, mask_loss


def discs(count: int, side: int = 48) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 (N, 3, side, side) of a striped disc near the centre on noise, and where the discs are (bool)."""
    random = np.random.default_rng(0)
    images = random.integers(70, 120, (count, 3, side, side), np.uint8)
    y, x = np.mgrid[:side, :side]
    inside = []
    for image in images:
        centre = side / 2 + random.uniform(-4, 4, 2)
        disc = (y - centre[0]) ** 2 + (x - centre[1]) ** 2 < (side / 4) ** 2
        image[:, disc] = np.where((x // 3 % 2)[disc], 255, 0)
        inside.append(disc)
    return images, np.stack(inside)


def arrays(count: int = 6) -> Arrays:
    images, _ = discs(count, 32)
    return Arrays(images, np.arange(count) % 2)


def test_a_factorisation_recovers_non_negative_factors() -> None:
    generator = torch.Generator().manual_seed(1)
    where, parts = (torch.rand(shape, generator=generator) ** 3 for shape in ((200, 3), (3, 20)))
    values = where @ parts
    found_where, found_parts = object_masks._factorise(values, 3)
    assert float(found_where.min()) >= 0
    assert float(found_parts.min()) >= 0
    assert float((found_where @ found_parts - values).norm() / values.norm()) < 0.03
    assert torch.allclose(found_parts.norm(dim=1), torch.ones(3))


def test_a_guided_filter_follows_the_edges_of_its_guide() -> None:
    guide = torch.zeros(1, 3, 32, 32)
    guide[..., 16:] = 1.0
    step = guide[:, :1]
    assert torch.allclose(object_masks._guided_filter(guide, step), step, atol=0.02), "a linear function of the guide"
    blurred = torch.nn.functional.avg_pool2d(torch.nn.functional.pad(step, (4,) * 4, mode="replicate"), 9, 1)
    sharpened = object_masks._guided_filter(guide, blurred)
    assert float(sharpened[0, 0, 16, 16] - sharpened[0, 0, 16, 15]) > 2 * float(
        blurred[0, 0, 16, 16] - blurred[0, 0, 16, 15]
    )


def test_the_parts_in_the_centre_are_the_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_masks, "_SIDE", 144)
    monkeypatch.setattr(object_masks, "PARTS", 4)
    images, inside = discs(12)
    parts = object_masks.fit(images, np.arange(12) % 2)
    masks = object_masks.masks(images, parts, parts.objects)
    assert masks.shape == (12, 1, 48, 48)
    assert masks.dtype == np.uint8
    y, x = np.mgrid[:48, :48]
    far = (y - 23.5) ** 2 + (x - 23.5) ** 2 > 24**2  # one position of relu5_2 is larger than the gap to the disc
    assert masks[:, 0][inside].mean() > 0.6 * 255
    assert masks[:, 0][:, far].mean() < 0.2 * 255


def test_stored_masks_belong_to_exactly_their_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENMODELS_DATA", str(tmp_path))
    data = arrays()
    values = np.random.default_rng(0).integers(0, 256, (6, 1, 32, 32), np.uint8)
    parts = object_masks.Parts(torch.rand(4, 512), (0.5, 2.0, 3.0, 1.0))
    assert parts.objects == (1, 2)
    assert stored_masks.stored(data) is None
    path = stored_masks.store(data, stored_masks.Masks(values, parts, (1, 2)))
    found = stored_masks.stored(data)
    assert found is not None
    assert np.array_equal(found.values, values)
    assert (found.chosen, found.parts.centred) == ((1, 2), parts.centred)
    lines: list[str] = []
    assert np.array_equal(stored_masks.with_masks(data, lines.append).masks, values)
    assert lines == []

    changed = data.images.copy()
    changed[0, 0, 0, 0] ^= 1
    assert stored_masks.stored(Arrays(changed, data.labels)) is None
    path.write_bytes(path.read_bytes()[:-40])
    assert stored_masks.stored(data) is None, "a damaged file is computed again"
    with pytest.raises(ConfigError, match="part 4 does not exist: choose from 0 to 3"):
        stored_masks.compute(data, (4,), parts=parts)


def test_a_batch_has_the_masks_of_its_images() -> None:
    data = arrays()
    masks = data.images[:, :1].copy()
    loader = UnpairedLoader(Arrays(data.images, data.labels, masks=masks), 2, 0, torch.device("cpu"))
    for step in range(4):
        batch = loader.batch(step)
        for name in "ab":
            assert torch.allclose(batch[f"image_{name}"][:, :1], batch[f"mask_{name}"] * 2 - 1, atol=1e-5)


def test_weighted_losses_are_those_of_hand_computed_scores() -> None:
    scores, weight = torch.tensor([2.0, 0.5]), torch.tensor([1.0, 3.0])
    assert float(weighted_mean(scores, weight)) == pytest.approx((2 + 1.5) / 4)
    assert float(hinge_loss(scores, real=True, weight=weight)) == pytest.approx(3 * 0.5 / 4)
    assert float(hinge_loss(scores, real=False, weight=weight)) == pytest.approx((3 + 3 * 1.5) / 4)
    assert float(least_squares_loss(scores, real=True, weight=weight)) == pytest.approx((1 + 3 * 0.25) / 4)


def test_the_mask_loss_is_zero_where_the_object_mask_is_uncertain() -> None:
    mask = torch.tensor([0.5, 0.5, 0.5, 1.0]).view(1, 1, 2, 2)
    objects = torch.tensor([0.0, 0.4, 1.0, 0.95]).view(1, 1, 2, 2)
    expected = 2 * math.log(2) / 4
    assert float(mask_loss(mask, objects)) == pytest.approx(expected, abs=2e-3)


def built(**settings: Any) -> CycleGAN:
    torch.manual_seed(0)
    small = {"resnet_channels": 4, "residual_blocks": 1, "image_shape": (3, 32, 32), "zoom": 1.25, "attention": True}
    model = registry.get("cyclegan").build(**{"object_masks": True, "identity_weight": 0, **small, **settings})
    assert isinstance(model, CycleGAN)
    return model


def batch(seed: int) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(2, 2, 3, 4, 4, generator=generator) * 2 - 1
    a, b = (torch.nn.functional.interpolate(part, size=(32, 32), mode="bilinear") for part in coarse)
    return {"image_a": a, "image_b": b, "mask_a": (a[:, :1] > 0).float(), "mask_b": (b[:, :1] > 0).float()}


def test_an_image_and_its_mask_are_augmented_alike() -> None:
    model = built()
    x = batch(0)["image_a"]
    image, mask = model._augment(x, (x[:, :1] + 1) / 2)
    assert mask is not None
    assert torch.allclose(image[:, :1], 2 * mask - 1, atol=1e-5)
    part = built(discriminator="projected").discriminator_a
    far = torch.zeros(1, 1, 32, 32)
    far[..., 16:, 16:] = 1.0
    seen = part(torch.zeros(1, 3, 32, 32), far)
    for scores, weight in seen:
        assert weight.shape == scores.shape
        upper, lower = weight[0, 0].sum(1).chunk(2)
        assert float(lower.sum()) > float(upper.sum()), "a translation of an eighth leaves most of it below the middle"


@pytest.mark.parametrize("discriminator", ["patch", "projected"])
def test_the_background_is_not_judged(discriminator: str) -> None:
    model = built(discriminator=discriminator, discriminator_channels=(8, 16))
    ratios = []
    for columns in (slice(0, 16), slice(16, 32)):
        objects = torch.zeros(2, 1, 32, 32)
        objects[..., columns] = 1.0
        fake = batch(0)["image_a"].requires_grad_(True)
        torch.manual_seed(1)
        model._adversarial(model.discriminator_b, WeightedImages(fake, objects)).backward()
        assert fake.grad is not None
        ratios.append(float(fake.grad[..., :8].abs().sum() / fake.grad[..., 24:].abs().sum()))
    assert ratios[0] > 2 * ratios[1], "instance norm spreads some of the gradient over the whole image"


def test_the_warm_up_has_no_adversarial_loss_and_trains_the_discriminators() -> None:
    model = built(generator_warmup=2, discriminator_channels=(8, 16), zoom=1, flip=False)
    optimizers, data = model.configure_optimizers(), batch(0)
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    metrics = model.training_step(data, optimizers, 0)
    expected = 2 * metrics["loss/kept"] + 2 * metrics["loss/mask"]
    assert float(metrics["loss/total"]) == pytest.approx(float(expected), rel=1e-5)
    assert "loss/generator" not in metrics
    changed = {name.split(".")[0] for name, value in model.named_parameters() if not torch.equal(before[name], value)}
    assert changed == {"generator_ab", "generator_ba", "discriminator_a", "discriminator_b"}
    after = model.training_step(data, optimizers, 2)
    assert "loss/generator" in after
    assert set(model.curves()) >= set(metrics) | set(after)


def test_a_step_with_masks_continues_exactly() -> None:
    model = built(discriminator="projected")
    optimizers = model.configure_optimizers()
    model.training_step(batch(0), optimizers, 0)
    weights = copy.deepcopy(model.state_dict())
    moments = {name: copy.deepcopy(optimizer.state_dict()) for name, optimizer in optimizers.items()}
    state = torch.get_rng_state()
    model.training_step(batch(1), optimizers, 1)

    other = built(discriminator="projected")
    other.load_state_dict(weights)
    others = other.configure_optimizers()
    for name, optimizer in others.items():
        optimizer.load_state_dict(moments[name])
    torch.set_rng_state(state)
    other.training_step(batch(1), others, 1)
    one, two = model.state_dict(), other.state_dict()
    assert [key for key in one if not torch.equal(one[key], two[key])] == []


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(ConfigError, match="set one of them to 0"):
        built(generator_warmup=10, discriminator_warmup=10)
    with pytest.raises(ConfigError, match=r"generator_warmup = 10 leaves no step"):
        built(generator_warmup=10).config.check_steps(10)


def test_the_change_outside_counts_only_the_background() -> None:
    data = arrays(4)
    masks = np.zeros((4, 1, 32, 32), np.uint8)
    masks[..., :16] = 255

    class Brighter:
        device = torch.device("cpu")

        def translate(self, x: Tensor, direction: str) -> Tensor:
            change = torch.full_like(x, 0.3)
            change[..., 16:] = 0.1 if direction == "a_to_b" else 0.2
            return x + change

    model: Any = Brighter()
    found = translation_metrics.outside(model, data, masks)
    assert found == pytest.approx({"outside/a": 0.1, "outside/b": 0.2, "outside/error": 0.15}, abs=1e-5)
