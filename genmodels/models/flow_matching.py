"""Flow matching: Lipman et al., arXiv 2210.02747; Liu et al. (rectified flow), arXiv 2209.03003.

A network predicts the velocity of a flow that turns noise x0 ~ N(0, I) into images x1. Training needs no simulation:
it regresses the velocity of straight or curved paths between random pairs, conditioned on the class y,

    x_t = alpha(t) x1 + sigma(t) x0,      loss = |n(x_t, t, y) - target|^2,      t in [0, 1]

Sampling integrates the ordinary differential equation dx/dt = v(x, t, y) from t = 0 to 1; integrating it from 1 to 0
maps an image back to its noise, so x0 is a latent vector. The log-likelihood follows the instantaneous change of
variables, log p(x1) = log N(x0; 0, I) - integral of div v dt (Chen et al., arXiv 1806.07366).

    variable      paper                          meaning
    x0, x1        x_0, x_1                       noise and image (B, C, H, W); images in [-1, 1]
    t             t                              time (B,), 0: noise, 1: image
    alpha, sigma  alpha_t, sigma_t               `path`: linear (t, 1 - t), or cosine (sin, cos of t pi / 2)
    target        x_1 - x_0 (velocity),          `prediction`: velocity alpha' x1 + sigma' x0, noise x0 (DDPM, Ho et
                  epsilon (noise)                al., arXiv 2006.11239), or data x1
    v             v_theta                        velocity: the network's output, converted
    guidance      w                              classifier-free guidance (Ho and Salimans, arXiv 2207.12598):
                                                 v(x, t) + w (v(x, t, y) - v(x, t)); 1 is no guidance

Training drops the class of a fraction of the images (`condition_dropout`), which also trains the unconditional v(x, t).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from genmodels.networks.flow_settings import ODE_SOLVERS, FlowSettings, OdeSolver, Solver


class FlowMatchingConfig(FlowSettings):
    """The U-Net of `FlowSettings`; the paths; and how images are sampled."""

    solvers: ClassVar[tuple[Solver, ...]] = ODE_SOLVERS
    trained_guidance: ClassVar[None] = None  # the guidance scale is chosen when sampling

    path: Literal["linear", "cosine"] = Field(
        "linear", description="path from noise to image: a straight line, or a quarter of a circle as in diffusion"
    )
    prediction: Literal["velocity", "noise", "data"] = Field(
        "velocity", description="what the network predicts: the velocity, the noise x0 (DDPM), or the image x1"
    )
    steps: int = Field(8, ge=1, le=1000, description="solver steps of a sample")
    solver: OdeSolver = Field(
        "heun", description="solver of a sample; midpoint and heun evaluate the network twice per step"
    )
    guidance: float = Field(1.0, ge=0, le=20, description="classifier-free guidance scale of a sample; 1: none")

    @model_validator(mode="after")
    def _guidance_is_trained(self) -> Self:
        if self.guidance != 1 and not self.guidable:
            raise ValueError(
                f"guidance = {self.guidance:g} needs conditional = true and condition_dropout above 0; or leave it at 1"
            )
        return self

    @property
    def guidable(self) -> bool:
        """Whether the class is dropped for some training images, so that guidance has a meaning."""
        return self.learns_without_class


# Everything above the next line is read without torch (genmodels/registry.py).
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

from genmodels.capabilities import Condition
from genmodels.conditions import condition_weights, one_hot
from genmodels.errors import ConfigError
from genmodels.model import Batch, Curve, Metrics, Model, cosine, update
from genmodels.registry import register

_LEVEL = 2 / 255
"""Distance of two neighbouring grey levels."""
_LIKELIHOOD_STEPS = 50
_SMALLEST = 0.05
"""Smallest alpha or sigma that a prediction of noise or data is divided by: at the ends both vanish."""


class Block(nn.Module):
    """Residual block; the embedding scales and shifts its normalisation (AdaGN: Dhariwal and Nichol, 2105.05233)."""

    def __init__(self, before: int, after: int, embedding: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = _group_norm(before), _group_norm(after)
        self.conv1, self.conv2 = nn.Conv2d(before, after, 3, padding=1), nn.Conv2d(after, after, 3, padding=1)
        self.embedding = nn.Linear(embedding, 2 * after)
        self.skip = nn.Conv2d(before, after, 1) if before != after else nn.Identity()
        nn.init.zeros_(self.conv2.weight)  # the block begins as its skip connection
        nn.init.zeros_(self.conv2.bias)  # type: ignore[arg-type]

    def forward(self, h: Tensor, embedding: Tensor) -> Tensor:
        """h (B, before, H, W), embedding (B, E) -> (B, after, H, W)."""
        scale, shift = self.embedding(embedding)[:, :, None, None].chunk(2, dim=1)  # (B, after, 1, 1) each
        out = self.conv1(F.silu(self.norm1(h)))
        out = self.conv2(F.silu(self.norm2(out) * (1 + scale) + shift))
        result: Tensor = self.skip(h) + out
        return result


class UNet(nn.Module):
    """(x_t, t, y) -> prediction of x_t's shape (Ronneberger et al., arXiv 1505.04597), on patches of the image."""

    def __init__(self, config: FlowSettings) -> None:
        super().__init__()
        self.patch, widths, embedding = config.patch_size, config.channels, config.embedding_dim
        values = config.shape[0] * self.patch**2
        self.time = nn.Sequential(nn.Linear(embedding, embedding), nn.SiLU(), nn.Linear(embedding, embedding))
        self.label = nn.Linear(config.classes, embedding, bias=False) if config.conditional else None
        self.width = embedding
        self.first = nn.Conv2d(values, widths[0], 3, padding=1)
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        self.shrink, self.grow = nn.ModuleList(), nn.ModuleList()
        for index, width in enumerate(widths):
            self.down.append(nn.ModuleList(Block(width, width, embedding) for _ in range(config.blocks)))
            if index + 1 < len(widths):
                wider = widths[index + 1]
                self.shrink.append(nn.Conv2d(width, wider, 3, stride=2, padding=1))
                self.grow.append(nn.Conv2d(wider, width, 3, padding=1))
                befores = [2 * width] + [width] * (config.blocks - 1)
                self.up.append(nn.ModuleList(Block(before, width, embedding) for before in befores))
        self.norm, self.last = _group_norm(widths[0]), nn.Conv2d(widths[0], values, 3, padding=1)

    def forward(self, x: Tensor, t: Tensor, y: Tensor) -> Tensor:
        """x (B, C, H, W), t (B,), y (B, K): one-hot weights, zeros for no class -> (B, C, H, W)."""
        return self.predict(x, self.time(time_features(t, self.width)), y)

    def predict(self, x: Tensor, embedding: Tensor, y: Tensor) -> Tensor:
        """As `forward`, with the embedding (B, E) of the time."""
        if self.label is not None:
            embedding = embedding + self.label(y)
        embedding = F.silu(embedding)
        h = self.first(F.pixel_unshuffle(x, self.patch))  # (B, widths[0], H / patch, W / patch)
        skips: list[Tensor] = []
        for index, blocks in enumerate(self.down):
            for block in blocks:  # type: ignore[attr-defined]
                h = block(h, embedding)  # (B, widths[index], ...)
            if index < len(self.shrink):
                skips.append(h)
                h = self.shrink[index](h)  # half the resolution
        for index in reversed(range(len(self.grow))):
            h = self.grow[index](F.interpolate(h, scale_factor=2, mode="nearest"))
            h = torch.cat([h, skips[index]], 1)  # (B, 2 widths[index], ...)
            for block in self.up[index]:  # type: ignore[attr-defined]
                h = block(h, embedding)
        prediction: Tensor = F.pixel_shuffle(self.last(F.silu(self.norm(h))), self.patch)
        return prediction


@register("flow_matching")
class FlowMatching(Model):
    Config = FlowMatchingConfig
    Network: ClassVar[type[UNet]] = UNet
    title = "Flow matching"
    paper = "Lipman et al. 2022, arXiv 2210.02747"
    config: FlowMatchingConfig
    likelihood_images = 500
    """Test images whose likelihood evaluation measures: each takes a hundred evaluations of the network's gradient."""

    def __init__(self, config: FlowMatchingConfig) -> None:
        super().__init__(config)
        self.network = self.Network(config)

    @property
    def latent_dim(self) -> int:
        return math.prod(self.config.shape)

    def learning_rates(self) -> dict[str, float]:
        return {"model": self.config.lr}

    def configure_optimizers(self) -> dict[str, Optimizer]:
        decay = self.config.weight_decay
        return {"model": torch.optim.AdamW(self.parameters(), lr=self.config.lr, weight_decay=decay, fused=True)}

    def schedule(self, step: int, max_steps: int) -> dict[str, float]:
        return {"model": cosine(step, max_steps, self.config.lr_end)}

    # ---------------------------------------------------------------- training

    def training_step(self, batch: Batch, optimizers: Mapping[str, Optimizer], step: int) -> Metrics:
        loss = self._loss(batch)
        update(optimizers["model"], loss)
        return {"loss/total": loss.detach()}

    def validation_metrics(self, batch: Batch, step: int) -> Metrics:
        return {"loss/total": self._loss(batch)}

    def _loss(self, batch: Batch) -> Tensor:
        x1 = self._dequantised(batch["image"])  # (B, C, H, W)
        x0 = torch.randn_like(x1)
        t = self._times(len(x1))  # (B,)
        alpha, sigma, d_alpha, d_sigma = self._path(t)
        x_t = alpha * x1 + sigma * x0

        # minimise |n(x_t, t, y) - target|^2, mean over values
        target = {"velocity": d_alpha * x1 + d_sigma * x0, "noise": x0, "data": x1}[self.config.prediction]
        return F.mse_loss(self.network(x_t, t, self._training_classes(batch)).float(), target)

    def _dequantised(self, image: Tensor) -> Tensor:
        """Uniform dequantisation (Theis et al., arXiv 1511.01844): grey levels become intervals; a density exists."""
        return image + (torch.rand_like(image) - 0.5) * _LEVEL

    def _times(self, count: int) -> Tensor:
        if self.config.times == "uniform":
            return torch.rand(count, device=self.device)
        return torch.sigmoid(torch.randn(count, device=self.device))

    def _path(self, t: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """(alpha, sigma, alpha', sigma') at t (B,), each (B, 1, 1, 1)."""
        t = t[:, None, None, None]
        if self.config.path == "linear":
            return t, 1 - t, torch.ones_like(t), -torch.ones_like(t)
        angle, rate = t * math.pi / 2, math.pi / 2
        return torch.sin(angle), torch.cos(angle), rate * torch.cos(angle), -rate * torch.sin(angle)

    def _training_classes(self, batch: Batch) -> Tensor:
        """One-hot classes (B, K); a row of zeros where the class is dropped."""
        count = len(batch["image"])
        if not self.config.conditional:
            return torch.zeros(count, 0, device=self.device)
        kept = torch.rand(count, 1, device=self.device) >= self.config.condition_dropout
        return one_hot(batch["label"], self.config.classes) * kept

    # --------------------------------------------------------------- the flow

    def velocity(self, x: Tensor, t: float, y: Tensor, guidance: float = 1.0) -> Tensor:
        """v (B, C, H, W) at time t; y (B, K) as in `UNet`, `guidance` as in the formula above."""
        if guidance == 1 or not self.config.conditional:
            return self._velocity(x, t, y)
        both = self._velocity(torch.cat([x, x]), t, torch.cat([y, torch.zeros_like(y)]))
        conditional, unconditional = both.chunk(2)
        return unconditional + guidance * (conditional - unconditional)

    def _velocity(self, x: Tensor, t: float, y: Tensor) -> Tensor:
        times = torch.full((len(x),), t, device=x.device)
        prediction: Tensor = self.network(x, times, y).float()
        if self.config.prediction == "velocity":
            return prediction
        alpha, sigma, d_alpha, d_sigma = self._path(times)
        if self.config.prediction == "noise":
            x0, x1 = prediction, (x - sigma * prediction) / alpha.clamp(min=_SMALLEST)
        else:
            x0, x1 = (x - alpha * prediction) / sigma.clamp(min=_SMALLEST), prediction
        return d_alpha * x1 + d_sigma * x0

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
        """x (B, C, H, W) after each of `steps` solver steps from time `start` to `end`; noise is at 0, images at 1.

        What is None is the config's. Without a condition the flow is the unconditional one. Heun's last step to an
        image is an Euler step (algorithm 1 of Karras et al., arXiv 2206.00364): its correction would need the velocity
        at t = 1, which logit-normal times hardly train, and leaves noise in the image. Raises CapabilityError or
        DataError for a wrong condition, ConfigError for steps below 1 or another solver.
        """
        config = self.config
        steps, solver = config.steps if steps is None else steps, solver or config.solver
        if steps < 1:
            raise ConfigError(f"steps = {steps} is not allowed: 1 or more")
        if solver not in ODE_SOLVERS:
            raise ConfigError(f"solver = {solver!r} is not allowed: {', '.join(ODE_SOLVERS)}")
        scale = (config.guidance if guidance is None else guidance) if condition else 1.0
        y = self._classes(condition, len(x))
        h = (end - start) / steps
        for index in range(steps):
            t = start + index * h
            v = self.velocity(x, t, y, scale)
            if solver == "midpoint":
                v = self.velocity(x + h / 2 * v, t + h / 2, y, scale)
            elif solver == "heun" and not (index == steps - 1 and end == 1):
                v = (v + self.velocity(x + h * v, t + h, y, scale)) / 2
            x = x + h * v
            yield x

    def predicted_image(
        self, x: Tensor, t: float, *, condition: Condition = None, guidance: float | None = None
    ) -> Tensor:
        """The image x1 (B, C, H, W) that the velocity at (x, t) points to; x + (1 - t) v for straight paths.

        It solves x = alpha x1 + sigma x0 and v = alpha' x1 + sigma' x0 for x1. Condition and guidance as in `flow`.
        """
        scale = (self.config.guidance if guidance is None else guidance) if condition else 1.0
        v = self.velocity(x, t, self._classes(condition, len(x)), scale)
        alpha, sigma, d_alpha, d_sigma = self._path(torch.full((len(x),), t, device=x.device))
        return (d_sigma * x - sigma * v) / (alpha * d_sigma - d_alpha * sigma)

    def _classes(self, condition: Condition, count: int) -> Tensor:
        if condition is None or not condition:
            return torch.zeros(count, sum(self.config.conditions.values()), device=self.device)
        return condition_weights(condition, self.config.conditions, count, self.device)

    # --------------------------------------------------------------- sampling, encoding, likelihood

    def decode(self, z: Tensor, *, condition: Condition = None) -> Tensor:
        """z (B, latent_dim) ~ N(0, I) -> images (B, C, H, W), the end of the flow; unconditional without a class."""
        *_, x = self.flow(z.view(-1, *self.config.shape), condition=condition)
        return x.clamp(-1, 1)

    def sample(self, n: int, *, condition: Condition = None, generator: torch.Generator | None = None) -> Tensor:
        """Without a condition the classes are sampled uniformly."""
        *_, x = self.sample_iter(n, condition=condition, generator=generator)
        return x

    def sample_iter(
        self, n: int, *, condition: Condition = None, generator: torch.Generator | None = None, every: int = 1
    ) -> Iterator[Tensor]:
        """Images (n, C, H, W) after every `every` solver steps: first noise, at the end `sample`."""
        z = torch.randn(n, self.latent_dim, generator=generator, device=self.device)
        if not condition and self.config.conditional:
            label = torch.randint(0, self.config.classes, (n,), generator=generator, device=self.device)
            condition = {"label": label}
        for index, x in enumerate(self.flow(z.view(-1, *self.config.shape), condition=condition)):
            if (index + 1) % every == 0 or index + 1 == self.config.steps:
                yield x.clamp(-1, 1)

    def encode(self, x: Tensor, *, condition: Condition = None) -> Tensor:
        """Images -> z (B, latent_dim): the same flow backwards, without guidance and with twice the steps."""
        *_, z = self.flow(x, condition=condition, start=1.0, end=0.0, steps=2 * self.config.steps, guidance=1.0)
        return z.flatten(1)

    def log_prob(self, x: Tensor, *, condition: Condition = None) -> Tensor:
        """Log-likelihood (B,) in nats of images of 256 grey levels: a lower bound by uniform dequantisation.

        The divergence is estimated without bias, with one Rademacher vector per image (arXiv 1810.01367); noise and
        vectors are the same at each call. Without a condition: of the unconditional flow.
        """
        noise = torch.Generator(x.device).manual_seed(0)
        x = x + (torch.rand(x.shape, generator=noise, device=x.device) - 0.5) * _LEVEL
        probe = torch.randint(0, 2, x.shape, generator=noise, device=x.device).float() * 2 - 1
        y, h = self._classes(condition, len(x)), -1 / _LIKELIHOOD_STEPS
        change = torch.zeros(len(x), device=x.device)  # log p(x1) - log p(x_t), (B,)
        for index in range(_LIKELIHOOD_STEPS):
            t = 1 + index * h
            v, _ = self._velocity_and_divergence(x, t, y, probe)
            v, divergence = self._velocity_and_divergence(x + h / 2 * v, t + h / 2, y, probe)  # midpoint rule
            x, change = x + h * v, change + h * divergence
        log_normal = -0.5 * (x.square() + math.log(2 * math.pi)).flatten(1).sum(1)
        return log_normal + change + x[0].numel() * math.log(_LEVEL)

    def _velocity_and_divergence(self, x: Tensor, t: float, y: Tensor, probe: Tensor) -> tuple[Tensor, Tensor]:
        """v (B, C, H, W), and probe . (dv/dx) probe (B,), whose mean over probes is the divergence of v."""
        with torch.inference_mode(False), torch.enable_grad():
            x, probe = x.clone().requires_grad_(True), probe.clone()
            v = self._velocity(x, t, y.clone())
            (product,) = torch.autograd.grad((v * probe).sum(), x)
        return v.detach(), (product * probe).flatten(1).sum(1)

    def curves(self) -> dict[str, Curve]:
        return {
            "loss/total": Curve(
                "flow matching loss",
                "Mean squared error of the predicted velocity, noise or image. It cannot reach 0: many pairs of noise "
                "and image lead through the same point. It falls slowly while samples still improve.",
            )
        }


def _group_norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(math.gcd(8, channels), channels)


def time_features(t: Tensor, width: int, highest: float = 1000) -> Tensor:
    """Sines and cosines (B, width) of times (B,) at frequencies from 1 to 1,000 (arXiv 1706.03762).

    Features of frequencies above `highest` are 0.
    """
    half = width // 2
    rates = torch.exp(torch.linspace(0, math.log(1000), half, device=t.device))
    angles = t[:, None] * rates
    features = torch.cat([angles.sin(), angles.cos()], 1)
    if highest < 1000:
        features = features * (rates <= highest).repeat(2)
    return F.pad(features, (0, width % 2))
