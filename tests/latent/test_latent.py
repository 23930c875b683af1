"""Seeds, interpolation, the seed plane and principal directions."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from genmodels import latent
from genmodels.errors import CapabilityError
from genmodels.service.half_precision import with_faster_generator
from tests.conftest import digit_batch, small_model


def test_a_seeds_z_depends_on_nothing_else() -> None:
    alone = latent.z_of_seed(3, 20)
    assert torch.equal(alone, latent.z_of_seeds(range(8), 20)[3])
    torch.manual_seed(9)
    assert torch.equal(alone, latent.z_of_seed(3, 20))
    many = latent.z_of_seeds(range(4000), 5)
    assert abs(float(many.mean())) < 0.03
    assert abs(float(many.std()) - 1) < 0.03


def test_slerp_keeps_the_norm_and_meets_its_ends() -> None:
    a, b = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    half = math.sqrt(0.5)
    torch.testing.assert_close(latent.slerp(a, b, 0.5), torch.tensor([half, half]))
    torch.testing.assert_close(latent.lerp(a, b, 0.5), torch.tensor([0.5, 0.5]))
    u, v = latent.z_of_seed(0, 100), latent.z_of_seed(1, 100)
    torch.testing.assert_close(latent.slerp(u, v, 0.0), u)
    torch.testing.assert_close(latent.slerp(u, v, 1.0), v)
    assert float(latent.slerp(u, v, 0.5).norm()) > 0.93 * float(min(u.norm(), v.norm()))
    torch.testing.assert_close(latent.slerp(u, u, 0.3), u)
    assert bool(latent.slerp(u, -u, 0.5).isfinite().all())


def test_the_seed_plane_passes_through_its_seeds_and_stays_gaussian() -> None:
    torch.testing.assert_close(latent.seed_plane(7, 0, 16), latent.z_of_seed(7, 16))
    torch.testing.assert_close(latent.seed_plane(7, 2, 16), latent.z_of_seed(207, 16))
    assert float(latent.seed_plane(7.5, 2.5, 4000).std()) == pytest.approx(1.0, abs=0.05)
    near, there = latent.seed_plane(7.001, 2.0, 16), latent.seed_plane(7, 2, 16)
    assert float((near - there).abs().max()) < 0.02, "continuous: a drag must not jump"


def test_principal_directions_of_an_encoder_are_principal_components_of_the_codes() -> None:
    model = small_model("vae").requires_grad_(False).eval()
    images = digit_batch(64)["image"]
    directions = latent.principal_directions(model, images, count=3)
    assert directions.shape == (3, 4)
    torch.testing.assert_close(directions @ directions.T, torch.eye(3), atol=1e-5, rtol=0)
    codes = model.encode(images)  # type: ignore[operator]
    deviations = [float((codes @ direction).std()) for direction in directions]
    assert deviations == sorted(deviations, reverse=True)


def test_principal_directions_of_a_generator_move_its_first_layer_most() -> None:
    model = small_model("gan").requires_grad_(False).eval()
    directions = latent.principal_directions(model, count=8)
    weight = model.generator[0].weight  # type: ignore[index, union-attr]
    gain = (weight @ directions.T).norm(dim=0)  # type: ignore[operator]
    assert gain.tolist() == sorted(gain.tolist(), reverse=True)
    assert torch.equal(directions, latent.principal_directions(model, count=8)), "signs are fixed"


@pytest.mark.parametrize("label_as", ["embedding", "one_hot", "product"])
def test_principal_directions_of_a_conditional_generator_are_of_the_layer_that_z_enters(label_as: str) -> None:
    model = small_model("cgan", label_as=label_as, networks="conv").requires_grad_(False).eval()
    dim = model.config.latent_dim
    first = next(part for part in model.generator.body.modules() if isinstance(part, nn.Linear | nn.ConvTranspose2d))
    weight = first.weight.flatten(1)
    weight = (weight.T if isinstance(first, nn.ConvTranspose2d) else weight)[:, :dim]
    expected = torch.linalg.svd(weight, full_matrices=False)[2][:3]
    for same in (model, with_faster_generator(model, "bf16")):  # wrapped: the pages hold it so
        directions = latent.principal_directions(same, count=3)
        torch.testing.assert_close((directions * expected).sum(1).abs(), torch.ones(3), atol=1e-4, rtol=0)


def test_a_model_without_a_latent_space_is_refused() -> None:
    for model in (small_model("cnn_classifier"), small_model("gan", noise="constant")):
        with pytest.raises(CapabilityError, match="no latent space"):
            latent.principal_directions(model)
