"""The kernel of the penalised critic against its reference and against values by hand."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from benchmarks.convolutions import FlopCount
from genmodels.kernels import candidates, convolution
from genmodels.kernels.penalised_critic import PenalisedLoss, is_piecewise_linear, penalised_loss, reference, supports
from genmodels.model import Model
from tests.conftest import digit_batch, small_model

WEIGHT = 10.0


def _critics() -> dict[str, tuple[nn.Sequential, tuple[int, int, int]]]:
    torch.manual_seed(0)
    return {
        "digits": (
            nn.Sequential(
                *(nn.Conv2d(1, 8, 4, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(8, 16, 4, 2, 1, bias=False)),
                nn.LeakyReLU(0.2),
                *(nn.Conv2d(16, 8, 4, 1, 1), nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(8 * 36, 1, bias=False)),
            ),
            (1, 28, 28),
        ),
        "colours, odd kernels, nothing padded": (
            nn.Sequential(
                nn.Conv2d(3, 6, 5, 3), nn.LeakyReLU(0.01), nn.Conv2d(6, 4, 3), nn.Flatten(), nn.Linear(4 * 9, 1)
            ),
            (3, 18, 18),
        ),
        "fully connected": (
            nn.Sequential(
                *(nn.Flatten(), nn.Linear(48, 20), nn.LeakyReLU(0.2), nn.Linear(20, 10, bias=False)),
                *(nn.LeakyReLU(0.0), nn.Linear(10, 1)),
            ),
            (3, 4, 4),
        ),
        "one layer": (nn.Sequential(nn.Flatten(), nn.Linear(16, 1)), (1, 4, 4)),
    }


def _gradients(critic: nn.Sequential, result: PenalisedLoss) -> list[Tensor]:
    critic.zero_grad()
    result.loss.backward()  # type: ignore[no-untyped-call]
    # A bias that only shifts all scores has no gradient, which autograd may leave out.
    return [torch.zeros_like(p) if p.grad is None else p.grad.clone() for p in critic.parameters()]


def _images(shape: tuple[int, int, int], size: int = 6) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    real, fake = torch.randn(2, size, *shape, generator=generator)
    return real, fake, torch.rand(size, 1, 1, 1, generator=generator)


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("name", _critics())
def test_three_passes_give_autograds_loss_and_gradients(name: str, channels_last: bool) -> None:
    critic, shape = _critics()[name]
    if channels_last:
        critic = critic.to(memory_format=torch.channels_last)
    _assert_autograds(critic, _images(shape))


def test_strides_dilation_and_groups_are_those_of_the_layer() -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(2, 4, 3, (2, 1), (1, 0), 2, groups=2)
    critic = nn.Sequential(layer, nn.LeakyReLU(0.1), nn.Flatten(), nn.Linear(4 * 3 * 4, 1))
    _assert_autograds(critic, _images((2, 8, 8)))


def _assert_autograds(critic: nn.Sequential, batch: tuple[Tensor, Tensor, Tensor]) -> None:
    assert is_piecewise_linear(critic)
    ours, theirs = penalised_loss(critic, *batch, WEIGHT), reference(critic, *batch, WEIGHT)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)
    for one, other in zip(_gradients(critic, ours), _gradients(critic, theirs), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("products", [False, True])
@pytest.mark.parametrize("name", _critics())
def test_in_bfloat16_they_are_as_exact_as_autograd(name: str, products: bool) -> None:
    critic, shape = _critics()[name]
    if products:
        convolution.use(critic)
    batch = _images(shape, size=32)
    exact = torch.cat([g.flatten() for g in _gradients(critic, reference(critic, *batch, WEIGHT))])
    errors = []
    for loss in (lambda: penalised_loss(critic, *batch, WEIGHT), lambda: reference(critic, *batch, WEIGHT)):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            result = loss()
        assert result.loss.dtype == torch.float32
        errors.append((torch.cat([g.flatten() for g in _gradients(critic, result)]) - exact).norm())
    assert 0 < errors[0] < 1.2 * errors[1]


def test_a_linear_critic_by_hand() -> None:
    """f(x) = w x: L = w (mean G(z) - mean x) + 10 (|w| - 1)^2; gradient mean G(z) - mean x + 20 (|w| - 1) w / |w|."""
    layer = nn.Linear(2, 1, bias=False)
    critic = nn.Sequential(nn.Flatten(), layer)
    w = torch.tensor([[1.8, 2.4]])  # of length 3
    layer.weight.data.copy_(w)
    real, fake = torch.tensor([[1.0, 0.0], [3.0, 0.0]]).view(2, 1, 1, 2), torch.zeros(2, 1, 1, 2)
    result = penalised_loss(critic, real, fake, torch.rand(2, 1, 1, 1), WEIGHT)
    assert result.penalty.item() == pytest.approx(4, rel=1e-6)
    assert result.loss.item() == pytest.approx(-1.8 * 2 + 40, rel=1e-6)
    (gradient,) = _gradients(critic, result)
    torch.testing.assert_close(gradient, torch.tensor([[-2.0, 0.0]]) + 40 * w / 3)


def test_a_constant_critic_has_a_finite_gradient() -> None:
    critic = nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.LeakyReLU(0.2), nn.Linear(3, 1))
    for parameter in critic.parameters():
        parameter.data.zero_()
    result = penalised_loss(critic, *_images((1, 2, 2)), WEIGHT)
    assert result.penalty.item() == 1
    assert all(bool(torch.isfinite(g).all()) for g in _gradients(critic, result))


def test_they_take_fewer_products_than_autograd() -> None:
    critic, shape = _critics()["digits"]
    batch, counts = _images(shape), []
    for loss in (lambda: penalised_loss(critic, *batch, WEIGHT), lambda: reference(critic, *batch, WEIGHT)):
        with FlopCount() as counter:
            _gradients(critic, loss())
        counts.append(counter.total)
    assert counts[0] <= 0.87 * counts[1]


@pytest.mark.parametrize(
    "layer",
    [nn.GELU(), nn.Dropout(0.3), nn.LayerNorm(20), spectral_norm(nn.Linear(20, 20)), nn.Sequential(nn.LeakyReLU())],
)
def test_other_critics_are_left_to_autograd(layer: nn.Module) -> None:
    critic = nn.Sequential(nn.Flatten(), nn.Linear(16, 20), layer, nn.Linear(20, 1)).eval()
    assert not is_piecewise_linear(critic)


def test_only_a_model_with_the_penalty_and_such_a_critic_is_supported() -> None:
    assert supports(small_model("wgan_gp"))
    assert not supports(small_model("wgan"))
    assert not supports(small_model("wgan_gp", discriminator_activation="gelu"))


@pytest.mark.parametrize("options", [{"padding": "same"}, {"padding": 1, "padding_mode": "reflect"}])
def test_other_paddings_are_left_to_autograd(options: dict[str, Any]) -> None:
    assert not is_piecewise_linear(nn.Sequential(nn.Conv2d(1, 4, 4, **options), nn.Flatten()))
    assert is_piecewise_linear(nn.Sequential(nn.Conv2d(1, 4, 4, padding=1), nn.Flatten()))


def test_a_model_learns_the_same_either_way() -> None:
    first = small_model("wgan_gp")
    models = [first, copy.deepcopy(first)]
    candidates.use(models[0], ["penalised_critic"])
    for model in models:
        _train(model)
    for one, other in zip(models[0].parameters(), models[1].parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


def _train(model: Model) -> None:
    torch.manual_seed(2)
    optimizers = model.train().configure_optimizers()
    before = [p.detach().clone() for p in model.parameters()]
    for step in range(4):
        model.training_step(digit_batch(8), optimizers, step)
    assert all(not torch.equal(p, q) for p, q in zip(model.parameters(), before, strict=True))
