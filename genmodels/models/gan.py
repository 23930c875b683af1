"""Generative adversarial network, fully connected: Goodfellow et al., arXiv 1406.2661.

A generator G draws pictures from noise z, a discriminator D says how real a picture looks. Each batch pays for two
updates:

    discriminator:  minimise  l(D(x), real) + l(D(G(z)), fake)
    generator:      minimise  l(D(G(z)), real)                      (the non-saturating form)

with l the binary cross entropy, or the squared error of sigmoid(D). Every fully connected GAN of the five texts, from
the 1010 pattern to the tutorial's four-layer networks, is a config of this one file.

Outside z is always N(0, I); uniform noise is Phi(z) inside, and `constant` feeds the generator 0.5, so that it has
no latent input at all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated, Literal

from pydantic import Field

from genmodels.config import ModelConfig, live

Width = Annotated[int, Field(ge=1, le=8192)]


class GANConfig(ModelConfig):
    """Sizes, activations and losses of both networks."""

    latent_dim: int = Field(100, ge=1, le=1024, description="numbers the generator draws a picture from")
    noise: Literal["normal", "uniform", "constant"] = Field(
        "normal", description="the generator's input: a bell curve, evenly from 0 to 1, or always 0.5"
    )
    generator_sizes: tuple[Width, ...] = Field(
        (200,), min_length=1, max_length=8, description="widths of the generator's hidden layers"
    )
    discriminator_sizes: tuple[Width, ...] = Field(
        (200,), min_length=1, max_length=8, description="widths of the discriminator's hidden layers"
    )
    activation: Literal["leaky_relu", "relu", "sigmoid"] = Field(
        "leaky_relu", description="between the layers of the discriminator, and of the generator unless set below"
    )
    generator_activation: Literal["leaky_relu", "relu", "sigmoid"] | None = Field(
        None, description="between the generator's layers, where it is not the discriminator's"
    )
    leaky_slope: float = Field(0.02, ge=0, lt=1, description="slope of LeakyReLU below zero")
    layer_norm: bool = Field(False, description="normalise hidden layers: keeps signals from saturating")
    discriminator_layer_norm: bool = Field(
        True,
        description="whether layer_norm holds for the discriminator too; without it fewer kinds of pictures are lost",
    )
    dropout: float = Field(0.0, ge=0, lt=1, description="share of the discriminator's hidden values dropped at random")
    output: Literal["sigmoid", "tanh"] = Field("sigmoid", description="what squashes the generator's last layer")
    loss: Literal["bce", "mse"] = Field("bce", description="binary cross entropy, or squared error of sigmoid(D)")
    discriminator_updates: Literal["joint", "separate"] = Field(
        "joint",
        description="joint: one optimizer step per batch for the summed loss of real and generated images; separate: "
        "one step for real images, then one for generated ones",
    )
    optimizer: Literal["adam", "sgd"] = Field("adam", description="for both networks")
    beta1: float = Field(0.9, ge=0, lt=1, description="Adam's first momentum; GANs often use 0.5")
    generator_lr: float = live(1e-4, gt=0, le=1, description="learning rate of the generator")
    discriminator_lr: float = live(1e-4, gt=0, le=1, description="learning rate of the discriminator")

    @property
    def latent_size(self) -> int:
        return 0 if self.noise == "constant" else self.latent_dim


import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from genmodels.capabilities import Condition
from genmodels.errors import CapabilityError
from genmodels.networks.mlp import mlp
from genmodels.losses import adversarial_ideal, adversarial_loss
from genmodels.model import Batch, Curve, Metrics, Model, make_optimizer, update
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
        pixels = torch.Size(config.image_shape or ()).numel()
        self.generator = mlp(
            [config.latent_dim, *config.generator_sizes, pixels],
            _activation(config.generator_activation or config.activation, config.leaky_slope),
            layer_norm=config.layer_norm,
        )
        self.discriminator: nn.Sequential | None = mlp(
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

    # ---------------------------------------------------------------- training

    def training_step(self, batch: Batch, optimizers: Mapping[str, Optimizer], step: int) -> Metrics:
        discriminator, kind = self._kept_discriminator(), self.config.loss
        real = self._to_inside(batch["image"]).flatten(1)
        with torch.no_grad():
            fake = self._draw(len(real))

        # discriminator: minimise l(D(x), real) + l(D(G(z)), fake)
        if self.config.discriminator_updates == "separate":
            real_logits = discriminator(real)
            real_loss = adversarial_loss(real_logits, real=True, kind=kind)
            update(optimizers["discriminator"], real_loss)
            fake_logits = discriminator(fake)
            fake_loss = adversarial_loss(fake_logits, real=False, kind=kind)
            update(optimizers["discriminator"], fake_loss)
            both = real_loss + fake_loss
        else:  # no layer mixes examples, so one pass serves both
            logits = discriminator(torch.cat([real, fake.to(real.dtype)]))
            real_logits, fake_logits = logits.chunk(2)
            both = adversarial_loss(real_logits, real=True, kind=kind) + adversarial_loss(
                fake_logits, real=False, kind=kind
            )
            update(optimizers["discriminator"], both)

        # generator: minimise l(D(G(z)), real). D is frozen: its gradients would be computed and thrown away.
        # The noise is new, as in the paper's Algorithm 1 and the book: using the fakes that D has just been shown would
        # save a pass of the generator.
        discriminator.requires_grad_(False)
        generator_loss = adversarial_loss(discriminator(self._draw(len(real))), real=True, kind=kind)
        update(optimizers["generator"], generator_loss)
        discriminator.requires_grad_(True)

        return {
            "loss/discriminator": 0.5 * both.detach(),
            "loss/generator": generator_loss.detach(),
            "score/real": real_logits.detach().float().sigmoid().mean(),
            "score/fake": fake_logits.detach().float().sigmoid().mean(),
        }

    def _draw(self, count: int) -> Tensor:
        return self._squash(self.generator(self._noise(torch.randn(count, self.latent_dim, device=self.device))))

    def curves(self) -> dict[str, Curve]:
        ideal = adversarial_ideal(self.config.loss)
        name = "ln 2 = 0.693" if self.config.loss == "bce" else "0.25"
        return {
            "loss/discriminator": Curve(
                "discriminator",
                f"At {name} it cannot tell real from fake; near 0 it wins and the generator learns little.",
                ideal.discriminator,
            ),
            "loss/generator": Curve(
                "generator", f"At {name} its fakes pass as often as not; rising means it is losing.", ideal.generator
            ),
            "score/real": Curve("D(real)", "How real real pictures look to D, 0 to 1; ideally 0.5.", 0.5),
            "score/fake": Curve("D(fake)", "How real fakes look to D, 0 to 1; ideally 0.5.", 0.5),
        }

    # --------------------------------------------------------------- inference

    def decode(self, z: Tensor, *, condition: Condition = None) -> Tensor:
        picture = self._squash(self.generator(self._noise(z)))
        return self._to_outside(picture).view(-1, *(self.config.image_shape or ()))

    def sample(self, n: int, *, condition: Condition = None, generator: torch.Generator | None = None) -> Tensor:
        return self.decode(torch.randn(n, self.latent_dim, generator=generator, device=self.device))

    def score(self, x: Tensor, *, condition: Condition = None) -> Tensor:
        logits: Tensor = self._kept_discriminator()(self._to_inside(x).flatten(1))
        return logits.squeeze(1)

    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """Half of what the discriminator minimises, on images in [-1, 1]: the figure its curve shows."""
        losses = (
            adversarial_loss(self.score(images), real=is_real, kind=self.config.loss)
            for images, is_real in ((real, True), (fake, False))
        )
        return 0.5 * torch.stack(list(losses)).sum()

    def _kept_discriminator(self) -> nn.Sequential:
        if self.discriminator is None:
            raise CapabilityError("this checkpoint was published without its discriminator, so it cannot score")
        return self.discriminator

    def _noise(self, z: Tensor) -> Tensor:
        """N(0, I) outside -> what the generator was built for."""
        if self.config.noise == "normal":
            return z
        if self.config.noise == "uniform":
            return 0.5 * torch.erfc(-z / math.sqrt(2))  # Phi(z)
        return torch.full((len(z), self.config.latent_dim), 0.5, device=z.device)

    def _squash(self, logits: Tensor) -> Tensor:
        return torch.tanh(logits) if self.config.output == "tanh" else torch.sigmoid(logits)

    def _to_inside(self, x: Tensor) -> Tensor:
        """[-1, 1] outside -> the generator's output range."""
        return x if self.config.output == "tanh" else x.add(1).mul(0.5)

    def _to_outside(self, x: Tensor) -> Tensor:
        return x if self.config.output == "tanh" else x.mul(2).sub(1)


def _activation(name: str, slope: float) -> Callable[[], nn.Module]:
    kinds: dict[str, Callable[[], nn.Module]] = {
        "leaky_relu": partial(nn.LeakyReLU, slope),
        "relu": nn.ReLU,
        "sigmoid": nn.Sigmoid,
    }
    return kinds[name]
