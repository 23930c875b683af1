"""Mean flow: the identity of the average velocity against closed forms, intervals, guidance, steps and start."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from genmodels import registry
from genmodels.errors import ConfigError
from genmodels.models.mean_flow import MeanFlow
from tests.conftest import digit_batch, small_model
from tests.support.flows import DEVIATION, MEAN, GaussianFlow, depend_on_time_and_class


def mean_flow(**settings: Any) -> MeanFlow:
    model = small_model("mean_flow", **settings)
    assert isinstance(model, MeanFlow)
    depend_on_time_and_class(model)
    nn.init.normal_(model.network.interval[2].weight, std=0.5)  # type: ignore[index, union-attr, arg-type]
    return model.requires_grad_(False).eval()


def unconditional(network: nn.Module, **settings: Any) -> MeanFlow:
    model = mean_flow(conditional=False, trained_guidance=1.0, **settings)
    model.network = network
    model.anchor = nn.Parameter(torch.zeros(1), requires_grad=False)  # a model without parameters has no device
    return model


class GaussianAverage(nn.Module):
    """The exact average velocity between N(0, I) and N(MEAN, DEVIATION^2 I).

    The flow keeps (x_t - t MEAN) / s(t), with s(t)^2 = (1 - t)^2 + t^2 DEVIATION^2, so that x_r follows from x_t.
    """

    def forward(self, x: Tensor, t: Tensor, y: Tensor, r: Tensor | None = None) -> Tensor:
        if r is None:
            return GaussianFlow()(x, t, y)  # type: ignore[no-any-return]
        t, r = t[:, None, None, None], r[:, None, None, None]
        s = [((1 - time) ** 2 + time**2 * DEVIATION**2).sqrt() for time in (t, r)]
        x_r = r * MEAN + s[1] / s[0] * (x - t * MEAN)
        return (x_r - x) / (r - t)


def test_the_average_velocity_between_two_gaussians_fulfils_the_identity_of_the_target() -> None:
    """u = v + (r - t) du/dt, with du/dt as training computes it; the other sign, or no derivative, is far off."""
    model = unconditional(GaussianAverage()).double()
    x = torch.randn(6, 1, 28, 28, dtype=torch.float64)
    t, r = torch.tensor([[0.0, 0.1, 0.2, 0.5, 0.6, 0.9], [1.0, 0.3, 0.9, 0.7, 0.99, 0.95]], dtype=torch.float64)
    y, length = torch.zeros(6, 0), (r - t)[:, None, None, None]
    u, v = model.network(x, t, y, r), model.network(x, t, y)
    rate = model.rate(x, t, r, y, v)
    torch.testing.assert_close(u, v + length * rate, atol=1e-5, rtol=1e-5)
    assert float((u - (v - length * rate)).abs().max()) > 0.5
    assert float((u - v).abs().max()) > 0.5


def test_the_target_of_a_linear_field_by_hand() -> None:
    """For v = a x the flow is x_r = x_t exp(a (r - t)), so u = x (exp(a (r - t)) - 1) / (r - t)."""
    a = 0.7

    class Linear(nn.Module):
        def forward(self, x: Tensor, t: Tensor, y: Tensor, r: Tensor | None = None) -> Tensor:
            if r is None:
                return a * x
            length = (r - t)[:, None, None, None]
            return x * torch.expm1(a * length) / length

    model = unconditional(Linear()).double()
    x = torch.full((1, 1, 28, 28), 2.0, dtype=torch.float64)
    t, r = torch.tensor([0.25], dtype=torch.float64), torch.tensor([0.75], dtype=torch.float64)
    rate = model.rate(x, t, r, torch.zeros(1, 0), a * x)
    # by hand: with L = r - t and e = exp(a L), d/dt of x (e - 1) / L, where x' = a x and L' = -1
    e = math.exp(a / 2)
    by_hand = 2 * (a * (e - 1) / 0.5 - a * e / 0.5 + (e - 1) / 0.25)
    torch.testing.assert_close(rate, torch.full_like(rate, by_hand))
    u = model.network(x, t, torch.zeros(1, 0), r)
    torch.testing.assert_close(u, a * x + 0.5 * rate, atol=1e-5, rtol=1e-5)
    *_, end = model.flow(x, start=0.25, end=0.75, steps=3)
    torch.testing.assert_close(end, x * e)


@pytest.mark.parametrize("steps", [1, 3])
def test_exact_averages_reach_the_end_of_the_flow_in_any_number_of_steps(steps: int) -> None:
    model = unconditional(GaussianAverage()).double()
    z = torch.randn(2, 1, 28, 28, dtype=torch.float64)
    *_, x = model.flow(z, steps=steps)
    torch.testing.assert_close(x, MEAN + DEVIATION * z)
    torch.testing.assert_close(model.predicted_image(z, 0.0), x)


def test_one_step_adds_the_average_velocity_of_the_whole_interval() -> None:
    model = mean_flow(steps=1)
    z, y = torch.randn(3, 1, 28, 28), torch.eye(10)[:3]
    u = model.network(z, torch.zeros(3), y, torch.ones(3))
    assert not torch.allclose(u, model.network(z, torch.zeros(3), y), atol=1e-2), "the network uses the interval"
    *states, end = model.flow(z, condition={"label": torch.arange(3)})
    assert states == []
    assert torch.equal(end, z + u)
    image = model.decode(z.flatten(1), condition={"label": torch.arange(3)})
    assert torch.equal(image, (z + u).clamp(-1, 1))


def test_sampling_evaluates_the_network_once_per_step(monkeypatch: pytest.MonkeyPatch) -> None:
    model, images = mean_flow(steps=3), []
    forward = model.network.forward
    monkeypatch.setattr(model.network, "forward", lambda x, *rest: (images.append(len(x)), forward(x, *rest))[1])
    model.sample(5, condition={"label": torch.arange(5)}, generator=torch.Generator().manual_seed(0))
    assert images == [5, 5, 5], "neither a second time nor an unconditional half of the batch"


def seen_and_loss(model: MeanFlow, batch: Any, output: float) -> tuple[dict[str, Tensor], float]:
    """What the network gets in a training step if it returns `output` everywhere, and the logged loss."""
    seen: dict[str, Tensor] = {}

    def record(x: Tensor, t: Tensor, y: Tensor, r: Tensor | None = None) -> Tensor:
        if r is not None and torch.is_grad_enabled():
            seen.update(x=x, t=t, r=r)
        return output + 0.0 * x + next(model.parameters()).sum() * 0.0

    model.network.forward = record  # type: ignore[method-assign]
    torch.manual_seed(4)
    return seen, float(model.training_step(batch, model.configure_optimizers(), 0)["loss/total"])


def test_without_intervals_training_is_flow_matching() -> None:
    batch = digit_batch(6)
    model = small_model("mean_flow", conditional=False, trained_guidance=1.0, intervals=0.0)
    assert isinstance(model, MeanFlow)
    seen, loss = seen_and_loss(model, batch, 0.5)
    torch.manual_seed(4)
    x1 = batch["image"] + (torch.rand_like(batch["image"]) - 0.5) * 2 / 255
    x0 = torch.randn_like(x1)
    t = torch.sigmoid(torch.randn(6))
    weight = t[:, None, None, None]
    torch.testing.assert_close(seen["t"], t)
    assert torch.equal(seen["r"], seen["t"])
    torch.testing.assert_close(seen["x"], weight * x1 + (1 - weight) * x0)
    assert loss == pytest.approx(float((0.5 - (x1 - x0)).square().mean()), rel=1e-5)


def test_a_fraction_of_the_images_learns_intervals_that_end_after_they_start() -> None:
    model = mean_flow(intervals=0.75)
    t, r, apart = model._intervals(400)
    assert apart == 300
    assert bool((r[:300] > t[:300]).all())
    assert torch.equal(r[300:], t[300:])
    assert 0 < float(t.min()) < 0.1 < 0.9 < float(r.max()) < 1
    assert abs(float(t[300:].mean()) - 0.5) < 0.06, "times of one point prefer neither end"


def test_the_guided_velocity_is_the_formula_and_the_straight_one_without_a_class() -> None:
    model = mean_flow(trained_guidance=2.5, guidance_mix=0.4)
    nn.init.normal_(model.network.label.weight)  # type: ignore[union-attr]
    x, straight, t = torch.randn(2, 1, 28, 28), torch.randn(2, 1, 28, 28), torch.tensor([0.2, 0.8])
    y = torch.stack([torch.eye(10)[3], torch.zeros(10)])
    v = model.guided(x, t, y, straight)
    conditional, none = model.network(x, t, y), model.network(x, t, torch.zeros(2, 10))
    # the paper's omega is w (1 - k) = 1.5
    expected = 1.5 * straight + 0.4 * conditional + (1 - 1.5 - 0.4) * none
    torch.testing.assert_close(v[:1], expected[:1])
    assert torch.equal(v[1:], straight[1:])
    # its fixed point is the guided velocity: v = w v_conditional + (1 - w) v_unconditional
    w, k, parts = 2.5, 0.4, torch.randn(2, 4)
    fixed = w * parts[0] + (1 - w) * parts[1]
    torch.testing.assert_close(w * (1 - k) * parts[0] + k * fixed + (1 - w * (1 - k) - k) * parts[1], fixed)


def test_the_loss_of_each_image_is_divided_by_a_power_of_itself() -> None:
    """With power 1 each image has the same weight, however large its error: gradients of relative errors."""
    batch = digit_batch(4)
    gradients = []
    for power in (0.0, 1.0):
        model = small_model("mean_flow", conditional=False, trained_guidance=1.0, intervals=0.0, loss_power=power)
        shift = nn.Parameter(torch.zeros(4, 1, 1, 1))
        model.network.forward = lambda x, t, y, r=None, shift=shift: 0.0 * x + shift  # type: ignore[method-assign]
        model.shift = shift
        torch.manual_seed(4)
        model.training_step(batch, model.configure_optimizers(), 0)
        assert shift.grad is not None
        gradients.append(shift.grad.flatten())
    torch.manual_seed(4)
    x1 = batch["image"] + (torch.rand_like(batch["image"]) - 0.5) * 2 / 255
    straight = x1 - torch.randn_like(x1)
    error = straight.flatten(1).square().sum(1)
    torch.testing.assert_close(gradients[0], -2 * straight.flatten(1).sum(1) / 4, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(gradients[1], gradients[0] / (error + 1e-3), rtol=1e-4, atol=1e-7)


def test_the_loss_of_training_by_hand() -> None:
    """For u = 3 t: du/dt = 3, so the target is x1 - x0 + 3 (r - t), and the error 3 t minus that."""
    batch = digit_batch(4)
    model = small_model("mean_flow", conditional=False, trained_guidance=1.0, intervals=1.0)
    shift = nn.Parameter(torch.zeros(1))
    model.network.forward = (  # type: ignore[method-assign]
        lambda x, t, y, r=None: 0.0 * x + 3 * t[:, None, None, None] + shift
    )
    model.shift = shift
    t, r = torch.full((4,), 0.25), torch.full((4,), 0.75)
    model._intervals = lambda count: (t, r, count)  # type: ignore[method-assign, assignment]
    torch.manual_seed(4)
    loss = model.training_step(batch, model.configure_optimizers(), 0)["loss/total"]
    torch.manual_seed(4)
    x1 = batch["image"] + (torch.rand_like(batch["image"]) - 0.5) * 2 / 255
    straight = x1 - torch.randn_like(x1)
    torch.testing.assert_close(loss, (3 * 0.25 - straight - 3 * 0.5).square().mean(), rtol=1e-4, atol=1e-5)


def test_it_starts_as_the_flow_whose_weights_it_takes() -> None:
    """With the whole range of time features; without the fast ones, nearly."""
    flow = small_model("flow_matching")
    depend_on_time_and_class(flow)
    x, t, r, y = torch.randn(3, 1, 28, 28), torch.rand(3), torch.ones(3), torch.eye(10)[:3]
    for rate, exact in ((1000, True), (25, False)):
        model = small_model("mean_flow", time_rate=rate)
        model.load_state_dict(flow.state_dict(), strict=False)
        expected = flow.network(x, t, y)  # type: ignore[operator]
        for u in (model.network(x, t, y), model.network(x, t, y, r)):  # type: ignore[operator]
            assert torch.equal(u, expected) == exact
    features = model.network._features(t)  # type: ignore[operator, union-attr]
    rates = torch.exp(torch.linspace(0, math.log(1000), 8))
    assert torch.equal((features == 0).all(0), (rates > 25).repeat(2)), "fast features are 0 at all times"


@pytest.mark.parametrize("kernels", [(), ("convolution",)])
def test_the_derivative_in_bfloat16_is_near_that_of_float32(kernels: tuple[str, ...]) -> None:
    from genmodels.kernels import candidates

    model = mean_flow().train()
    candidates.use(model, kernels)
    x, v, y = torch.randn(4, 1, 28, 28), torch.randn(4, 1, 28, 28), torch.eye(10)[:4]
    t, r = torch.rand(4) / 2, torch.ones(4)
    with torch.no_grad():
        exact = model.rate(x, t, r, y, v)
        h = 1e-3
        ahead, behind = (model.network(x + s * v, t + s, y, r) for s in (h, -h))
        torch.testing.assert_close(exact, (ahead - behind) / (2 * h), rtol=0.02, atol=0.02)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            rounded = model.rate(x, t, r, y, v)
    assert float((rounded - exact).norm() / exact.norm()) < 0.05


def test_encoding_and_other_solvers_use_the_velocity_at_a_point() -> None:
    model = unconditional(GaussianAverage())
    x = (MEAN + DEVIATION * torch.randn(2, 1, 28, 28)).clamp(-1, 1)
    torch.testing.assert_close(model.encode(x), ((x - MEAN) / DEVIATION).flatten(1), atol=0.01, rtol=0)
    *_, euler = model.flow(x, steps=1, solver="euler")
    torch.testing.assert_close(euler, x + GaussianFlow()(x, torch.zeros(2), torch.zeros(2, 0)))


def test_wrong_settings_are_refused_with_what_is_allowed() -> None:
    build = registry.get("mean_flow").build
    with pytest.raises(ConfigError, match="trained_guidance = 2 needs conditional = true"):
        build(image_shape=(1, 28, 28), num_classes=10, trained_guidance=2)
    with pytest.raises(ConfigError, match=r"unknown setting 'model\.guidance'"):
        build(image_shape=(1, 28, 28), num_classes=10, guidance=2)
    model, x = mean_flow(), torch.randn(1, 1, 28, 28)
    with pytest.raises(ConfigError, match=r"guidance = 2 is not allowed: .* here 1\.5"):
        next(model.flow(x, guidance=2.0))
    with pytest.raises(ConfigError, match="guidance = 0 is not allowed"):
        model.predicted_image(x, 0.5, guidance=0.0)
    with pytest.raises(ConfigError, match="'average' is not allowed from image to noise"):
        next(model.flow(x, start=1.0, end=0.0))
    with pytest.raises(ConfigError, match="steps = 0"):
        next(model.flow(x, steps=0))
    flow = small_model("flow_matching")
    with pytest.raises(ConfigError, match="solver = 'average' is not allowed: euler, midpoint, heun"):
        next(flow.flow(x, solver="average"))  # type: ignore[operator]
