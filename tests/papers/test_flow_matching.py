"""Flow matching: paths, velocity, solvers, inversion, guidance and likelihood against closed forms."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from genmodels import registry
from genmodels.errors import CapabilityError, ConfigError, DataError
from genmodels.models.flow_matching import FlowMatching
from tests.conftest import digit_batch, small_model
from tests.support.flows import DEVIATION, MEAN, GaussianFlow, depend_on_time_and_class


def flow_model(**settings: Any) -> FlowMatching:
    model = small_model("flow_matching", **settings)
    assert isinstance(model, FlowMatching)
    depend_on_time_and_class(model)
    return model.requires_grad_(False).eval()


def gaussian_model(**settings: Any) -> FlowMatching:
    model = flow_model(conditional=False, guidance=1.0, **settings)
    model.network = GaussianFlow()  # type: ignore[assignment]
    model.anchor = nn.Parameter(torch.zeros(1), requires_grad=False)  # a model without parameters has no device
    return model


def test_the_best_prediction_of_the_target_is_the_velocity_between_two_gaussians() -> None:
    """The regression that minimises the loss at one time, solved exactly for Gaussians, is the closed form."""
    model = gaussian_model()
    x0 = torch.randn(200_000, 1, 1, 1, generator=torch.Generator().manual_seed(0))
    x1 = MEAN + DEVIATION * torch.randn(200_000, 1, 1, 1, generator=torch.Generator().manual_seed(1))
    for time in (0.2, 0.5, 0.9):
        alpha, sigma, d_alpha, d_sigma = model._path(torch.full((1,), time))
        x_t, target = alpha * x1 + sigma * x0, d_alpha * x1 + d_sigma * x0
        design = torch.cat([torch.ones_like(x_t), x_t], 1).flatten(1)
        fit = torch.linalg.lstsq(design, target.flatten(1)).solution.flatten()
        points = torch.linspace(-1, 1, 5)
        exact = model.velocity(points.view(-1, 1, 1, 1), time, torch.zeros(5, 0)).flatten()
        torch.testing.assert_close(fit[0] + fit[1] * points, exact, atol=0.02, rtol=0.02)


@pytest.mark.parametrize("path", ["linear", "cosine"])
def test_paths_begin_at_noise_end_at_images_and_have_their_derivatives(path: str) -> None:
    model = flow_model(path=path)
    alpha, sigma, _, _ = model._path(torch.tensor([0.0, 1.0]))
    torch.testing.assert_close(alpha.flatten(), torch.tensor([0.0, 1.0]))
    torch.testing.assert_close(sigma.flatten(), torch.tensor([1.0, 0.0]), atol=1e-6, rtol=0)
    t, h = torch.tensor([0.3], dtype=torch.float64), 1e-6
    before, at, after = (model._path(t + offset) for offset in (-h, 0.0, h))
    for index in (0, 1):
        difference = (after[index] - before[index]) / (2 * h)
        torch.testing.assert_close(difference, at[index + 2], atol=1e-8, rtol=0)


@pytest.mark.parametrize("path", ["linear", "cosine"])
@pytest.mark.parametrize("prediction", ["velocity", "noise", "data"])
def test_each_prediction_is_converted_to_the_same_velocity(prediction: str, path: str) -> None:
    model = flow_model(prediction=prediction, path=path, conditional=False, guidance=1.0)
    x0, x1 = torch.randn(2, 3, 1, 28, 28).unbind()
    alpha, sigma, d_alpha, d_sigma = model._path(torch.full((3,), 0.4))
    target = {"velocity": d_alpha * x1 + d_sigma * x0, "noise": x0, "data": x1}[prediction]
    model.network.forward = lambda x, t, y: target  # type: ignore[method-assign]
    v = model.velocity(alpha * x1 + sigma * x0, 0.4, torch.zeros(3, 0))
    torch.testing.assert_close(v, d_alpha * x1 + d_sigma * x0, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("path", ["linear", "cosine"])
def test_the_predicted_image_is_the_one_in_the_velocity(path: str) -> None:
    """A network that predicts the image gives the velocity through it, and the predicted image is that one again."""
    model = flow_model(path=path, prediction="data", guidance=1.0)
    x, y = torch.randn(2, 1, 28, 28), torch.eye(10)[:2]
    condition = {"label": torch.arange(2)}
    for time in (0.0, 0.4, 0.9):
        exact = model.network(x, torch.full((2,), time), y)
        torch.testing.assert_close(model.predicted_image(x, time, condition=condition), exact, atol=1e-4, rtol=1e-4)


def test_the_loss_is_the_mean_squared_error_of_the_target(monkeypatch: pytest.MonkeyPatch) -> None:
    model = small_model("flow_matching", conditional=False, guidance=1.0)
    batch = digit_batch(6)
    seen: dict[str, Tensor] = {}

    def record(x: Tensor, t: Tensor, y: Tensor) -> Tensor:
        seen.update(x=x, t=t)
        return 0.0 * x + next(model.parameters()).sum() * 0.0

    monkeypatch.setattr(model.network, "forward", record)
    torch.manual_seed(4)
    loss = model.training_step(batch, model.configure_optimizers(), 0)["loss/total"]
    torch.manual_seed(4)
    x1 = batch["image"] + (torch.rand_like(batch["image"]) - 0.5) * 2 / 255
    x0 = torch.randn_like(x1)
    t = torch.sigmoid(torch.randn(6))
    weight = t[:, None, None, None]
    torch.testing.assert_close(seen["t"], t)
    torch.testing.assert_close(seen["x"], weight * x1 + (1 - weight) * x0)
    torch.testing.assert_close(loss, (x1 - x0).square().mean())


@pytest.mark.parametrize(("solver", "order"), [("euler", 1), ("midpoint", 2), ("heun", 2)])
def test_solvers_converge_at_their_order(solver: Any, order: int) -> None:
    """dx/dt = t - x^2 has no closed form in elementary functions: many more steps are the reference."""
    model = gaussian_model().double()
    model.network.forward = lambda x, t, y: t[:, None, None, None] - x.square()  # type: ignore[method-assign]
    z = torch.linspace(0, 2, 784, dtype=torch.float64).view(1, 1, 28, 28)
    *_, reference = model.flow(z, steps=4000, solver="heun")
    errors = []
    for steps in (20, 40):
        *_, x = model.flow(z, steps=steps, solver=solver)
        errors.append(float((x - reference).abs().max()))
    assert math.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.15)


@pytest.mark.parametrize(("solver", "count"), [("euler", 3), ("midpoint", 6), ("heun", 5)])
def test_no_solver_evaluates_the_velocity_of_an_image(solver: Any, count: int) -> None:
    """Training hardly sees t = 1: the velocity there would leave noise in the image."""
    model, times = gaussian_model(), []
    model.network.forward = lambda x, t, y: times.append(float(t[0])) or x  # type: ignore[method-assign, func-returns-value]
    list(model.flow(torch.zeros(1, 1, 28, 28), steps=3, solver=solver))
    assert len(times) == count
    assert max(times) < 1


def test_the_flow_backwards_is_its_inverse() -> None:
    model = flow_model(conditional=False, guidance=1.0, steps=10)
    x = digit_batch(4)["image"]
    *_, z = model.flow(x, start=1.0, end=0.0, steps=100)
    *_, again = model.flow(z, steps=100)
    assert float((again - x).abs().max()) < 1e-3
    assert float((z - x).abs().max()) > 0.1, "the flow moves something"
    torch.testing.assert_close(model.decode(model.encode(x)), x, atol=0.05, rtol=0)


def test_guidance_1_is_the_conditional_flow_and_0_the_unconditional_one() -> None:
    model = flow_model()
    nn.init.normal_(model.network.label.weight)  # type: ignore[union-attr]
    x, y = torch.randn(3, 1, 28, 28), torch.eye(10)[:3]
    conditional, unconditional = model.velocity(x, 0.5, y), model.velocity(x, 0.5, torch.zeros(3, 10))
    assert not torch.allclose(conditional, unconditional, atol=1e-3)
    torch.testing.assert_close(model.velocity(x, 0.5, y, guidance=1.0), conditional)
    torch.testing.assert_close(model.velocity(x, 0.5, y, guidance=0.0), unconditional, atol=1e-5, rtol=1e-5)
    doubled = unconditional + 2 * (conditional - unconditional)
    torch.testing.assert_close(model.velocity(x, 0.5, y, guidance=2.0), doubled, atol=1e-5, rtol=1e-5)


def test_the_likelihood_of_a_gaussian_is_exact() -> None:
    """Its divergence is the same for every probe, so the estimate is exact but for the solver."""
    model = gaussian_model()
    x = (MEAN + DEVIATION * torch.randn(8, 1, 28, 28, generator=torch.Generator().manual_seed(2))).clamp(-1, 1)
    noise = torch.Generator().manual_seed(0)
    dequantised = x + (torch.rand(x.shape, generator=noise) - 0.5) * 2 / 255
    density = torch.distributions.Normal(MEAN, DEVIATION).log_prob(dequantised).flatten(1).sum(1)
    exact = density + 784 * math.log(2 / 255)
    with torch.inference_mode():
        log_prob = model.log_prob(x)
    torch.testing.assert_close(log_prob / 784, exact / 784, atol=1e-3, rtol=0)


def test_the_estimated_divergence_is_that_of_the_jacobian() -> None:
    model = flow_model(conditional=False, guidance=1.0, patch_size=1, channels=[8])
    model = FlowMatching(model.config.replace(image_shape=(1, 4, 4))).requires_grad_(False).eval()
    nn.init.normal_(model.network.down[0][0].conv2.weight, std=0.1)  # type: ignore[index, arg-type, union-attr]
    x, y = torch.randn(1, 1, 4, 4), torch.zeros(1, 0)
    jacobian = torch.autograd.functional.jacobian(lambda x: model.velocity(x, 0.5, y), x).view(16, 16)
    probes = torch.randint(0, 2, (4000, 1, 4, 4)).float() * 2 - 1
    estimates = model._velocity_and_divergence(x.expand(4000, -1, -1, -1), 0.5, y.expand(4000, -1), probes)[1]
    deviation = float(estimates.std()) / math.sqrt(4000)
    assert abs(float(estimates.mean()) - float(jacobian.trace())) < 4 * deviation


def test_the_class_of_a_fraction_of_the_images_is_dropped() -> None:
    model = small_model("flow_matching", condition_dropout=0.25)
    batch = {"image": torch.zeros(4000, 1, 28, 28), "label": torch.full((4000,), 3)}
    classes = model._training_classes(batch)  # type: ignore[operator]
    assert set(map(tuple, classes.unique(dim=0).tolist())) == {(0.0,) * 10, tuple(torch.eye(10)[3].tolist())}
    assert 0.22 < float((classes.sum(1) == 0).float().mean()) < 0.28


def test_each_step_of_sampling_can_be_seen() -> None:
    model = flow_model(steps=7)
    condition = {"label": torch.tensor([3, 4])}
    states = list(model.sample_iter(2, condition=condition, generator=torch.Generator().manual_seed(1), every=3))
    assert len(states) == 3
    *_, last = model.sample_iter(2, condition=condition, generator=torch.Generator().manual_seed(1))
    assert torch.equal(states[-1], last)


def test_wrong_settings_are_refused_with_what_is_allowed() -> None:
    build = registry.get("flow_matching").build
    with pytest.raises(ConfigError, match=r"30x30 do not fit patches of 2 .* multiples of 4"):
        build(image_shape=(1, 30, 30), num_classes=10)
    with pytest.raises(ConfigError, match="guidance = 2 needs conditional = true"):
        build(image_shape=(1, 28, 28), num_classes=10, guidance=2)
    with pytest.raises(ConfigError, match="needs data with classes"):
        build(image_shape=(1, 28, 28), num_classes=0, conditional=True)
    model = flow_model()
    with pytest.raises(ConfigError, match="steps = 0"):
        next(model.flow(torch.randn(1, 1, 28, 28), steps=0))
    with pytest.raises(DataError, match="label = 10 is not allowed"):
        model.decode(torch.randn(1, 784), condition={"label": torch.tensor([10])})
    with pytest.raises(CapabilityError, match="give condition="):
        model.decode(torch.randn(1, 784), condition={"speaker": torch.tensor([1])})
