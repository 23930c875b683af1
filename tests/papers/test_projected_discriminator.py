"""Projected discriminators of CycleGAN: frozen features, hinge loss, statistics of channels, exact continuation."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor

from genmodels import registry
from genmodels.errors import ConfigError
from genmodels.losses import hinge_loss
from genmodels.models.cyclegan import CycleGAN
from genmodels.networks.object_weighting import WeightedImages
from genmodels.networks.projected_discriminator import LAYERS, ProjectedDiscriminator
from genmodels.networks.vgg import Features


def built(**settings: Any) -> CycleGAN:
    torch.manual_seed(0)
    small = {"resnet_channels": 4, "residual_blocks": 1, "image_shape": (3, 32, 32), "zoom": 1.1}
    model = registry.get("cyclegan").build(discriminator="projected", **{**small, **settings})
    assert isinstance(model, CycleGAN)
    return model


def batch(seed: int, count: int = 2) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(2, count, 3, 4, 4, generator=generator) * 2 - 1
    images = [torch.nn.functional.interpolate(part, size=(32, 32), mode="bilinear") for part in coarse]
    return {"image_a": images[0], "image_b": images[1]}


def test_the_hinge_loss_is_that_of_hand_computed_scores() -> None:
    scores = torch.tensor([2.0, 0.5, -3.0])
    assert float(hinge_loss(scores, real=True)) == pytest.approx((0 + 0.5 + 4) / 3)
    assert float(hinge_loss(scores, real=False)) == pytest.approx((3 + 1.5 + 0) / 3)


def test_losses_are_means_over_the_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    model = built()
    maps = [torch.tensor([0.5, -0.5]).view(2, 1, 1, 1), torch.full((2, 1, 2, 2), -2.0)]  # one real, one translated

    def scores(x: Tensor, weight: None, real: int = 0) -> list[tuple[Tensor, None]]:
        return [(part[: len(x)], None) for part in maps]

    monkeypatch.setattr(model.discriminator_a, "forward", scores)
    image = WeightedImages(torch.zeros(1, 3, 32, 32), None)
    assert float(model._adversarial(model.discriminator_a, image)) == pytest.approx((-0.5 + 2) / 2)
    loss = model._discriminator_loss(model.discriminator_a, image, image)
    assert float(loss) == pytest.approx(((0.5 + 0.5) + (3 + 0)) / 2)


def test_the_features_are_frozen_and_not_saved() -> None:
    model = built()
    part = model.discriminator_a
    assert {name.split(".")[0] for name, _ in part.named_parameters()} == {"heads"}
    kinds = {key.split("_")[0].split(".")[0] for key in part.state_dict() if key != "_extra_state"}
    assert kinds == {"heads", "mean", "square"}
    assert sum(value.numel() for value in part.state_dict().values()) < 1_000_000
    image = batch(0)["image_a"]
    before = Features()(image, LAYERS)
    model.training_step(batch(1), model.configure_optimizers(), 0)
    assert all(torch.equal(before[layer], value) for layer, value in Features()(image, LAYERS).items())


def test_gradients_reach_the_generators_and_every_head() -> None:
    model = built(cycle_weight=0, identity_weight=0)
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    metrics = model.training_step(batch(1), model.configure_optimizers(), 0)
    changed = {name for name, value in model.named_parameters() if not torch.equal(before[name], value)}
    heads = {name for name, _ in model.named_parameters() if ".heads." in name}
    assert heads <= changed
    assert {name for name in before if name.startswith("generator_ab")} & changed, "only the discriminators move it"
    assert set(model.curves()) >= set(metrics)


def test_channels_are_normalised_by_the_first_real_images() -> None:
    part = ProjectedDiscriminator()
    images = torch.cat([batch(seed, 16)["image_a"] for seed in range(5)])
    for start in range(0, 64, 16):
        part(torch.cat([images[start : start + 16], -images[:16]]), real=16)
    assert part.observed == 64
    fixed = part.mean_relu3_2.clone()
    part(images[64:], real=16)
    assert torch.equal(part.mean_relu3_2, fixed), "64 images are enough"
    values = Features()(images[:64], LAYERS)["relu3_2"]
    normalised = part._normalised(values, "relu3_2")
    assert abs(float(normalised.mean())) < 0.1
    assert 0.5 < float(normalised.std()) < 1.5


def test_a_step_continues_exactly_from_the_saved_state() -> None:
    model = built()
    optimizers = model.configure_optimizers()
    model.training_step(batch(0), optimizers, 0)
    weights = copy.deepcopy(model.state_dict())
    moments = {name: copy.deepcopy(optimizer.state_dict()) for name, optimizer in optimizers.items()}
    random_state = torch.get_rng_state()
    for step in (1, 2):
        model.training_step(batch(step), optimizers, step)

    other = built()
    other.load_state_dict(weights)
    others = other.configure_optimizers()
    for name, optimizer in others.items():
        optimizer.load_state_dict(moments[name])
    torch.set_rng_state(random_state)
    for step in (1, 2):
        other.training_step(batch(step), others, step)
    assert isinstance(other.discriminator_b, ProjectedDiscriminator)
    assert other.discriminator_b.observed == 6
    one, two = model.state_dict(), other.state_dict()
    assert [key for key in one if not torch.equal(one[key], two[key])] == []


def test_images_that_are_too_small_are_refused() -> None:
    with pytest.raises(ConfigError, match="at least 16 pixels, not 12x12: choose discriminator = patch"):
        built(image_shape=(3, 12, 12))
