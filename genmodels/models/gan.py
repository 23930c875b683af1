"""Generative adversarial network, fully connected: Goodfellow et al., arXiv 1406.2661.

A generator G maps noise z to an image, a discriminator D estimates the probability that an image is real.

    discriminator:  minimise  l(D(x), real) + l(D(G(z)), fake)
    generator:      minimise  l(D(G(z)), real)                      (the non-saturating form)

with l the binary cross entropy, or the squared error of D.

    variable        paper       meaning
    real            x           images (B, P), flattened, in the generator's output range
    z               z           latent vectors (B, latent_dim) from N(0, I)
    fake            G(z)        generated images (B, P)
    discriminator   logit of D  D(x) = sigmoid(logit), the probability that x is real
    kind            l           the loss, "bce" or "mse"

For noise = "uniform" the generator's input is Phi(z), uniform on [0, 1]; for "constant" it is 0.5, without a latent
vector.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated, Literal

from pydantic import Field

from genmodels.config import ModelConfig, live
from genmodels.networks.gan_settings import joint_or_separate

Width = Annotated[int, Field(ge=1, le=8192)]


class GANConfig(ModelConfig):
    """Sizes, activations and losses of both networks."""

    latent_dim: int = Field(100, ge=1, le=1024, description="dimension of the latent vector z")
    noise: Literal["normal", "uniform", "constant"] = Field(
        "normal", description="the generator's input: standard normal, uniform on [0, 1], or constant 0.5"
    )
    generator_sizes: tuple[Width, ...] = Field(
        (200,), min_length=1, max_length=8, description="widths of the generator's hidden layers"
    )
    discriminator_sizes: tuple[Width, ...] = Field(
        (200,), min_length=1, max_length=8, description="widths of the discriminator's hidden layers"
    )
    activation: Literal["leaky_relu", "relu", "sigmoid"] = Field(
        "leaky_relu", description="activation of the hidden layers of both networks"
    )
    generator_activation: Literal["leaky_relu", "relu", "sigmoid"] | None = Field(
        None, description="activation of the generator's hidden layers; empty: the same as `activation`"
    )
    leaky_slope: float = Field(0.02, ge=0, lt=1, description="slope of LeakyReLU for negative inputs")
    layer_norm: bool = Field(False, description="layer normalisation of hidden layers: keeps signals from saturating")
    discriminator_layer_norm: bool = Field(
        True,
        description="whether layer_norm applies to the discriminator too; without it mode collapse is weaker",
    )
    dropout: float = Field(0.0, ge=0, lt=1, description="dropout rate in the discriminator")
    output: Literal["sigmoid", "tanh"] = Field("sigmoid", description="the generator's output activation")
    loss: Literal["bce", "mse"] = Field("bce", description="binary cross entropy, or squared error of sigmoid(logit)")
    discriminator_updates: Literal["joint", "separate"] = joint_or_separate()
    optimizer: Literal["adam", "sgd"] = Field("adam", description="optimizer of both networks")
    beta1: float = Field(0.9, ge=0, lt=1, description="Adam's decay rate of the first moment; 0.5 is common for GANs")
    generator_lr: float = live(1e-4, gt=0, le=1, description="learning rate of the generator")
    discriminator_lr: float = live(1e-4, gt=0, le=1, description="learning rate of the discriminator")

    @property
    def latent_size(self) -> int:
        return 0 if self.noise == "constant" else self.latent_dim


# Everything above the next line is read without torch (genmodels/registry.py).
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from genmodels.capabilities import Condition
from genmodels.losses import adversarial_loss, gan_curves
from genmodels.model import Batch, Curve, Metrics, Model, make_optimizer, update
from genmodels.networks.mlp import mlp
from genmodels.registry import register


@register("gan")
class GAN(Model):
    Config = GANConfig
    title = "Generative adversarial network"
    paper = "Goodfellow et al. 2014, arXiv 1406.2661"
    training_only = frozenset({"discriminator"})
    config: GANConfig

    def __init__(self, config: GANConfig) -> None:
        super().__init__(config)
        pixels = torch.Size(config.shape).numel()  # P
        self.generator = mlp(  # (B, latent_dim) -> (B, P)
            [config.latent_dim, *config.generator_sizes, pixels],
            _activation(config.generator_activation or config.activation, config.leaky_slope),
            layer_norm=config.layer_norm,
        )
        self.discriminator: nn.Sequential | None = mlp(  # (B, P) -> logits (B, 1)
            [pixels, *config.discriminator_sizes, 1],
            _activation(config.activation, config.leaky_slope),
            layer_norm=config.layer_norm and config.discriminator_layer_norm,
            dropout=config.dropout,
        )

    @property
    def latent_dim(self) -> int:
        return self.config.latent_size

    def learning_rates(self) -> dict[str, float]:
        return {"generator": self.config.generator_lr, "discriminator": self.config.discriminator_lr}

    def configure_optimizers(self) -> dict[str, Optimizer]:
        betas = (self.config.beta1, 0.999)
        return {
            name: make_optimizer(self.config.optimizer, getattr(self, name), lr, betas)
            for name, lr in self.learning_rates().items()
        }

    # --------------------------------------------------------------- training

    def training_step(self, batch: Batch, optimizers: Mapping[str, Optimizer], step: int) -> Metrics:
        discriminator, kind = self.required("discriminator"), self.config.loss
        real = self._to_output_range(batch["image"]).flatten(1)  # x (B, P)
        with torch.no_grad():
            fake = self._generate(len(real))  # G(z) (B, P)

        # discriminator: minimise  l(D(x), real) + l(D(G(z)), fake)
        if self.config.discriminator_updates == "separate":
            real_logits = discriminator(real)  # (B, 1)
            real_loss = adversarial_loss(real_logits, real=True, kind=kind)
            update(optimizers["discriminator"], real_loss)
            fake_logits = discriminator(fake)
            fake_loss = adversarial_loss(fake_logits, real=False, kind=kind)
            update(optimizers["discriminator"], fake_loss)
        else:  # no layer mixes examples, so one pass serves both
            real_logits, fake_logits = discriminator(torch.cat([real, fake.to(real.dtype)])).chunk(2)
            real_loss = adversarial_loss(real_logits, real=True, kind=kind)
            fake_loss = adversarial_loss(fake_logits, real=False, kind=kind)
            update(optimizers["discriminator"], real_loss + fake_loss)

        # generator: minimise  l(D(G(z)), real), with new noise as in the paper's Algorithm 1.
        # D is frozen: its gradients would be computed and discarded.
        discriminator.requires_grad_(False)
        generator_loss = adversarial_loss(discriminator(self._generate(len(real))), real=True, kind=kind)
        update(optimizers["generator"], generator_loss)
        discriminator.requires_grad_(True)

        return {
            "loss/discriminator": 0.5 * (real_loss + fake_loss).detach(),
            "loss/generator": generator_loss.detach(),
            "score/real": real_logits.detach().float().sigmoid().mean(),
            "score/fake": fake_logits.detach().float().sigmoid().mean(),
        }

    def _generate(self, count: int) -> Tensor:
        """G(z) (count, P) of new noise."""
        z = torch.randn(count, self.latent_dim, device=self.device)
        return self._output(self.generator(self._noise(z)))

    def curves(self) -> dict[str, Curve]:
        return gan_curves(self.config.loss)

    # --------------------------------------------------------------- sampling and scores

    def decode(self, z: Tensor, *, condition: Condition = None) -> Tensor:
        flat = self._output(self.generator(self._noise(z)))
        return self._from_output_range(flat).view(-1, *self.config.shape)

    def sample(self, n: int, *, condition: Condition = None, generator: torch.Generator | None = None) -> Tensor:
        return self.decode(torch.randn(n, self.latent_dim, generator=generator, device=self.device))

    def score(self, x: Tensor, *, condition: Condition = None) -> Tensor:
        logits: Tensor = self.required("discriminator")(self._to_output_range(x).flatten(1))
        return logits.squeeze(1)

    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """Half of the discriminator's loss, as in its curve, on images in [-1, 1]."""
        real_loss = adversarial_loss(self.score(real), real=True, kind=self.config.loss)
        fake_loss = adversarial_loss(self.score(fake), real=False, kind=self.config.loss)
        return 0.5 * (real_loss + fake_loss)

    def _noise(self, z: Tensor) -> Tensor:
        """z from N(0, I) -> the generator's input."""
        if self.config.noise == "normal":
            return z
        if self.config.noise == "uniform":
            return 0.5 * torch.erfc(-z / math.sqrt(2))  # Phi(z)
        return torch.full((len(z), self.config.latent_dim), 0.5, device=z.device)

    def _output(self, logits: Tensor) -> Tensor:
        """The generator's output activation."""
        return torch.tanh(logits) if self.config.output == "tanh" else torch.sigmoid(logits)

    def _to_output_range(self, x: Tensor) -> Tensor:
        """[-1, 1] -> the range of the generator's output activation."""
        return x if self.config.output == "tanh" else x.add(1).mul(0.5)

    def _from_output_range(self, x: Tensor) -> Tensor:
        return x if self.config.output == "tanh" else x.mul(2).sub(1)


def _activation(name: str, leaky_slope: float) -> Callable[[], nn.Module]:
    activations: dict[str, Callable[[], nn.Module]] = {
        "leaky_relu": partial(nn.LeakyReLU, leaky_slope),
        "relu": nn.ReLU,
        "sigmoid": nn.Sigmoid,
    }
    return activations[name]
