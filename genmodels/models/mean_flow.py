"""Mean flow: Geng et al., arXiv 2505.13447. A flow whose samples take one to four evaluations of the network.

Flow matching learns the velocity v(x, t) of a point, and a solver adds up many of them. Mean flow learns the average
velocity u over an interval from t to r, so that one evaluation covers the whole interval:

    u(x_t, t, r) = 1 / (r - t) * integral of v(x_s, s) ds for s from t to r,      x_r = x_t + (r - t) u(x_t, t, r)

Both sides of (r - t) u = integral, differentiated by t along the flow (r stays), give an identity without an integral:

    u = v + (r - t) du/dt,      du/dt = v . du/dx + du/dt at fixed x,      u(x, t, t) = v(x, t)

Its right side is the target of a regression. du/dt is a Jacobian-vector product: the derivative of the network at
(x_t, t, r) in the direction (v, 1, 0). Time runs from noise to image as in `flow_matching`; in the paper it runs the
other way and r <= t, so that its identity is u = v - (t - r) du/dt.

    variable        paper               meaning
    x0, x1          epsilon, x          noise and image (B, C, H, W); images in [-1, 1]
    t, r            1 - t, 1 - r        start and end of the interval (B,), 0 <= t <= r <= 1; 0: noise, 1: image
    x_t             z_t                 (1 - t) x0 + t x1
    v               -v~_t               velocity of the guided flow, the next formula
    u               -u_theta            average velocity: the network's output
    trained_guidance  omega'            classifier-free guidance scale w of the flow that is learned
    guidance_mix    kappa               fraction k of v that comes from the network itself

The guidance is part of what is learned, so that a sample needs no second, unconditional evaluation:

    v = w (1 - k) (x1 - x0) + k u(x_t, t, t, y) + (1 - w (1 - k) - k) u(x_t, t, t),      v = x1 - x0 without a class

`encode` and `log_prob` integrate the velocity u(x, t, t), as those of flow matching do; with a class it is the guided
one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from genmodels.networks.flow_settings import ODE_SOLVERS, FlowSettings, Solver


class MeanFlowConfig(FlowSettings):
    """The U-Net of `FlowSettings`, with a second time; intervals, guidance and loss of the training; the sampling."""

    initial_families: ClassVar[tuple[str, ...]] = ("flow_matching",)
    solvers: ClassVar[tuple[Solver, ...]] = ("average", *ODE_SOLVERS)
    path: ClassVar[Literal["linear"]] = "linear"
    prediction: ClassVar[Literal["velocity"]] = "velocity"
    guidance: ClassVar[float] = 1.0  # nothing to add when sampling: `trained_guidance` is in the velocity
    guidable: ClassVar[bool] = False

    trained_guidance: float = Field(
        1.0, ge=0, le=20, description="classifier-free guidance scale that training builds into the velocity; 1: none"
    )
    guidance_mix: float = Field(
        0.5, ge=0, lt=1, description="fraction of the target velocity that the network predicts itself; it varies less"
    )
    intervals: float = Field(
        0.75, ge=0, le=1, description="fraction of images that learn an average velocity; the others one at r = t"
    )
    loss_power: float = Field(
        1.0, ge=0, le=2, description="each image's loss is divided by this power of itself; 0: mean squared error"
    )
    time_rate: float = Field(
        1000, ge=1, le=1000, description="highest frequency of the features of time, in radians per unit of time"
    )
    steps: int = Field(1, ge=1, le=1000, description="steps of a sample")
    solver: Solver = Field(
        "average", description="average: one evaluation per step, over its whole interval; others integrate u(x, t, t)"
    )

    @model_validator(mode="after")
    def _guidance_is_trained(self) -> Self:
        if self.trained_guidance != 1 and not self.learns_without_class:
            raise ValueError(
                f"trained_guidance = {self.trained_guidance:g} needs conditional = true and condition_dropout above 0; "
                "or leave it at 1"
            )
        return self


# Everything above the next line is read without torch (genmodels/registry.py).
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from genmodels.capabilities import Condition
from genmodels.errors import ConfigError
from genmodels.model import Batch, Curve, Metrics, update
from genmodels.models.flow_matching import FlowMatching, UNet, time_features
from genmodels.registry import register

_SMALLEST = 1e-3  # added to the squared error that divides the loss (the paper's c)
_ENCODING_STEPS = 16  # Heun steps of `encode`: the average velocity is only trained from noise to image


class GroupNorm(nn.GroupNorm):
    """Group normalisation in float32.

    Torch's derivative of a bfloat16 one is float32, which the next convolution refuses.
    """

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.float())


class IntervalUNet(UNet):
    """(x_t, t, y, r) -> average velocity from t to r: a U-Net that also embeds r - t.

    A new network ignores r - t (its embedding ends in zeros), so weights of flow matching keep their function.
    """

    def __init__(self, config: FlowSettings) -> None:
        super().__init__(config)
        assert isinstance(config, MeanFlowConfig)
        embedding = config.embedding_dim
        self.interval = nn.Sequential(nn.Linear(embedding, embedding), nn.SiLU(), nn.Linear(embedding, embedding))
        nn.init.zeros_(self.interval[2].weight)  # type: ignore[arg-type]
        nn.init.zeros_(self.interval[2].bias)  # type: ignore[arg-type]
        self.time_rate = config.time_rate
        for part in [*self.modules()]:
            for name, child in part.named_children():
                if isinstance(child, nn.GroupNorm):
                    setattr(part, name, GroupNorm(child.num_groups, child.num_channels))

    def forward(self, x: Tensor, t: Tensor, y: Tensor, r: Tensor | None = None) -> Tensor:
        """x (B, C, H, W), t and r (B,), y (B, K) as in `UNet` -> u (B, C, H, W); without r: v, at r = t."""
        length = torch.zeros_like(t) if r is None else r - t
        return self.predict(x, self.time(self._features(t)) + self.interval(self._features(length)), y)

    def _features(self, t: Tensor) -> Tensor:
        return time_features(t, self.width, self.time_rate)


@register("mean_flow")
class MeanFlow(FlowMatching):
    Config = MeanFlowConfig  # type: ignore[assignment]  # intervals and a trained guidance instead of paths
    Network = IntervalUNet
    title = "Mean flow"
    paper = "Geng et al. 2025, arXiv 2505.13447"
    differentiated_twice = frozenset({"network"})
    config: MeanFlowConfig  # type: ignore[assignment]

    # ---------------------------------------------------------------- training

    def training_step(self, batch: Batch, optimizers: Mapping[str, Optimizer], step: int) -> Metrics:
        x1 = self._dequantised(batch["image"])  # (B, C, H, W)
        x0 = torch.randn_like(x1)
        t, r, apart = self._intervals(len(x1))  # (B,) each; only the first `apart` images have r > t
        weight = t[:, None, None, None]
        x_t = (1 - weight) * x0 + weight * x1
        y = self._training_classes(batch)  # (B, K)

        # minimise |u(x_t, t, r, y) - (v + (r - t) du/dt)|^2, the target without gradient
        with torch.no_grad():
            target = self.guided(x_t, t, y, x1 - x0)  # v (B, C, H, W)
            if apart:
                part = slice(apart)
                rate = self.rate(x_t[part], t[part], r[part], y[part], target[part])  # du/dt
                target[part] += (r - t)[part, None, None, None] * rate
        error = (self.network(x_t, t, y, r).float() - target).flatten(1).square().sum(1)  # (B,)
        loss = (error / (error.detach() + _SMALLEST) ** self.config.loss_power).mean()
        update(optimizers["model"], loss)
        return {"loss/total": error.detach().mean() / x1[0].numel()}

    def validation_metrics(self, batch: Batch, step: int) -> Metrics:
        return {}  # its target holds a derivative of the network that is being trained

    def _intervals(self, count: int) -> tuple[Tensor, Tensor, int]:
        """Starts t and ends r (count,), and how many of the first images have r > t; the others have r = t."""
        one, other = self._times(count), self._times(count)
        apart = round(self.config.intervals * count)
        t, r = torch.minimum(one, other), torch.maximum(one, other)
        t[apart:] = r[apart:] = one[apart:]
        return t, r, apart

    def guided(self, x_t: Tensor, t: Tensor, y: Tensor, straight: Tensor) -> Tensor:
        """The velocity v (B, C, H, W) of the guided flow, from x1 - x0 and the network's own; classes y (B, K)."""
        w, k = self.config.trained_guidance, self.config.guidance_mix
        if not self.config.conditional or (w == 1 and k == 0):
            return straight.clone()
        both = self.network(torch.cat([x_t, x_t]), torch.cat([t, t]), torch.cat([y, torch.zeros_like(y)])).float()
        conditional, unconditional = both.chunk(2)
        # v = w (1 - k) (x1 - x0) + k u(x_t, t, t, y) + (1 - w (1 - k) - k) u(x_t, t, t)
        own = w * (1 - k)
        v = own * straight + k * conditional + (1 - own - k) * unconditional
        return torch.where(y.any(1)[:, None, None, None], v, straight)

    def rate(self, x_t: Tensor, t: Tensor, r: Tensor, y: Tensor, v: Tensor) -> Tensor:
        """du/dt (B, C, H, W) along the flow: the derivative of u(x, t, r) in the direction (v, 1, 0)."""

        def u(x: Tensor, t: Tensor) -> Tensor:
            return self.network(x, t, y, r).float()  # type: ignore[no-any-return]

        rate: Tensor = torch.func.jvp(u, (x_t, t), (v, torch.ones_like(t)))[1]
        return rate

    # --------------------------------------------------------------- the flow

    def flow(
        self,
        x: Tensor,
        *,
        condition: Condition = None,
        start: float = 0.0,
        end: float = 1.0,
        steps: int | None = None,
        solver: Solver | None = None,
        guidance: float | None = None,
    ) -> Iterator[Tensor]:
        """As `FlowMatching.flow`, whose solvers integrate u(x, t, t).

        The solver `average` steps by x_r = x_t + (r - t) u(x_t, t, r), with one evaluation per step. Raises ConfigError
        also for a guidance scale other than 1, and for `average` from image to noise.
        """
        self._check(guidance)
        steps, solver = self.config.steps if steps is None else steps, solver or self.config.solver
        if solver != "average":
            yield from super().flow(x, condition=condition, start=start, end=end, steps=steps, solver=solver)
            return
        if steps < 1:
            raise ConfigError(f"steps = {steps} is not allowed: 1 or more")
        if end < start:
            raise ConfigError(
                "solver = 'average' is not allowed from image to noise: its velocity is trained from noise to image; "
                f"choose {', '.join(ODE_SOLVERS)}"
            )
        y = self._classes(condition, len(x))
        for index in range(steps):
            t, r = (start + (end - start) * number / steps for number in (index, index + 1))
            x = x + (r - t) * self.average_velocity(x, t, r, y)
            yield x

    def average_velocity(self, x: Tensor, t: float, r: float, y: Tensor) -> Tensor:
        """u (B, C, H, W) from time t to r; y (B, K) as in `UNet`."""
        times = torch.full((2, len(x)), t, device=x.device)
        times[1] = r
        u: Tensor = self.network(x, times[0], y, times[1]).float()
        return u

    def predicted_image(
        self, x: Tensor, t: float, *, condition: Condition = None, guidance: float | None = None
    ) -> Tensor:
        """The image (B, C, H, W) that one step of the average velocity reaches from (x, t)."""
        self._check(guidance)
        return x + (1 - t) * self.average_velocity(x, t, 1.0, self._classes(condition, len(x)))

    def _check(self, guidance: float | None) -> None:
        if guidance not in (None, 1):
            raise ConfigError(
                f"guidance = {guidance:g} is not allowed: mean flow learns its guidance, here "
                f"{self.config.trained_guidance:g}, in training; leave it out, or train with another "
                "model.trained_guidance"
            )

    # --------------------------------------------------------------- encoding

    def encode(self, x: Tensor, *, condition: Condition = None) -> Tensor:
        """Images -> z (B, latent_dim): the flow of u(x, t, t) backwards, in 16 Heun steps."""
        *_, z = self.flow(x, condition=condition, start=1.0, end=0.0, steps=_ENCODING_STEPS, solver="heun")
        return z.flatten(1)

    def curves(self) -> dict[str, Curve]:
        return {
            "loss/total": Curve(
                "mean flow loss",
                "Mean squared error of the average velocity. It cannot reach 0: many pairs of noise and image lead "
                "through the same point. Its target depends on the network, so it may rise while samples improve.",
            )
        }
