"""Deep convolutional GAN: Radford, Metz and Chintala, arXiv 1511.06434.

The game of a GAN with convolutional networks: G enlarges a small feature map to a picture, D shrinks one to a number.

    discriminator:  minimise  -log D(x) - log(1 - D(G(z)))          (or with D(x)'s target at 1 - label_smoothing)
    generator:      minimise  -log D(G(z))                          (the non-saturating form)

With augment = "diff" D sees T(x) and T(G(z)) in both, T a random variation that gradients flow through (Zhao et al.,
arXiv 2006.10738): for small sets, which D would learn by heart. z is N(0, I) outside and inside.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from genmodels.config import live
from genmodels.networks.gan_settings import ConvNetworks


class DCGANConfig(ConvNetworks):
    """Networks of `ConvNetworks`, and how they play."""

    label_smoothing: float = live(
        0.0,
        ge=0,
        lt=0.5,
        description="how far below 1 the target of real pictures is, so that D does not grow too sure",
    )
    augment: Literal["none", "diff"] = Field(
        "none",
        description="diff: D sees real and drawn pictures in other colours, moved and partly hidden, so that it cannot "
        "learn a few hundred or thousand by heart; needless with tens of thousands (2006.10738)",
    )
    flip: bool = Field(False, description="mirror half of the real pictures: for faces and rooms, not for digits")
    discriminator_updates: Literal["joint", "separate"] = Field(
        "joint",
        description="joint: one optimizer step per batch for the summed loss of real and generated images; separate: "
        "one step for real images, then one for generated ones",
    )
    beta1: float = Field(0.5, ge=0, lt=1, description="Adam's first momentum")
    generator_lr: float = live(2e-4, gt=0, le=1, description="learning rate of the generator")
    discriminator_lr: float = live(2e-4, gt=0, le=1, description="learning rate of the discriminator")
    lr_end: float = Field(
        1.0, ge=0, le=1, description="share of the learning rates left at the last step, falling evenly; 1 keeps them"
    )


import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from genmodels.capabilities import Condition
from genmodels.errors import CapabilityError
from genmodels.layers import augment
from genmodels.networks import gan
from genmodels.losses import adversarial_ideal, adversarial_loss
from genmodels.model import Batch, Curve, Metrics, Model, make_optimizer, update
from genmodels.registry import register


@register("dcgan")
class DCGAN(Model):
    Config = DCGANConfig
    title = "Deep convolutional GAN"
    paper = "Radford et al. 2015, arXiv 1511.06434"
    training_only = frozenset({"discriminator"})
    config: DCGANConfig

    def __init__(self, config: DCGANConfig) -> None:
        super().__init__(config)
        self.generator = gan.generator(config, config.latent_dim)
        self.discriminator: nn.Sequential | None = gan.discriminator(config, (config.image_shape or (0,))[0])

    @property
    def latent_dim(self) -> int:
        return self.config.latent_dim

    def learning_rates(self) -> dict[str, float]:
        return {"generator": self.config.generator_lr, "discriminator": self.config.discriminator_lr}

    def configure_optimizers(self) -> dict[str, Optimizer]:
        betas = (self.config.beta1, 0.999)
        return {
            name: make_optimizer("adam", getattr(self, name), lr, betas) for name, lr in self.learning_rates().items()
        }

    def schedule(self, step: int, max_steps: int) -> dict[str, float]:
        factor = 1 - (1 - self.config.lr_end) * min(1.0, step / max(1, max_steps))
        return {"generator": factor, "discriminator": factor}

    # ---------------------------------------------------------------- training

    def training_step(self, batch: Batch, optimizers: Mapping[str, Optimizer], step: int) -> Metrics:
        discriminator, real = self._kept_discriminator(), batch["image"]
        real = augment.flip(real) if self.config.flip else real
        # One drawing serves both updates: G has not changed in between, and a convolutional one is half of the step.
        fake = self.generator(torch.randn(len(real), self.latent_dim, device=real.device))

        # discriminator: minimise -log D(x) - log(1 - D(G(z)))
        smoothing = self.config.label_smoothing
        if self.config.discriminator_updates == "separate":
            real_logits = discriminator(self._varied(real))
            real_loss = adversarial_loss(real_logits, real=True, smoothing=smoothing)
            update(optimizers["discriminator"], real_loss)
            fake_logits = discriminator(self._varied(fake.detach()))
            fake_loss = adversarial_loss(fake_logits, real=False)
            update(optimizers["discriminator"], fake_loss)
            discriminator_loss = real_loss + fake_loss
        else:
            real_logits, fake_logits = self._answers(self._varied(real), self._varied(fake.detach()))
            discriminator_loss = adversarial_loss(real_logits, real=True, smoothing=smoothing) + adversarial_loss(
                fake_logits, real=False
            )
            update(optimizers["discriminator"], discriminator_loss)

        # generator: minimise -log D(G(z)), with D frozen: its gradients would be computed and thrown away
        discriminator.requires_grad_(False)
        generator_loss = adversarial_loss(discriminator(self._varied(fake)), real=True)
        update(optimizers["generator"], generator_loss)
        discriminator.requires_grad_(True)

        return {
            "loss/discriminator": 0.5 * discriminator_loss.detach(),
            "loss/generator": generator_loss.detach(),
            "score/real": real_logits.detach().float().sigmoid().mean(),
            "score/fake": fake_logits.detach().float().sigmoid().mean(),
        }

    def _answers(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        """D's logits of both, apart where batch normalisation would mix them; together they cost a twentieth less."""
        discriminator = self._kept_discriminator()
        if self.config.discriminator_norm == "batch":
            return discriminator(real), discriminator(fake)
        real_logits, fake_logits = discriminator(torch.cat([real, fake.to(real.dtype)])).chunk(2)
        return real_logits, fake_logits

    def _varied(self, x: Tensor) -> Tensor:
        """What D is shown of pictures: a new variation each time, or they themselves."""
        return augment.diff_augment(x) if self.config.augment == "diff" else x

    def curves(self) -> dict[str, Curve]:
        smoothing = self.config.label_smoothing
        ideal = adversarial_ideal(smoothing=smoothing)
        at = "At ln 2 = 0.693" if not smoothing else f"At {ideal.discriminator:.3f}"
        best = f"{ideal.score:.3g}"
        passes = "At ln 2" if not smoothing else f"At {ideal.generator:.3f}"
        return {
            "loss/discriminator": Curve(
                "discriminator", f"{at} it cannot tell real from fake; near 0 it wins.", ideal.discriminator
            ),
            "loss/generator": Curve(
                "generator", f"{passes} its fakes pass as often as not; rising means it is losing.", ideal.generator
            ),
            "score/real": Curve("D(real)", f"How real real pictures look to D, 0 to 1; ideally {best}.", ideal.score),
            "score/fake": Curve("D(fake)", f"How real fakes look to D, 0 to 1; ideally {best}.", ideal.score),
        }

    # --------------------------------------------------------------- inference

    def decode(self, z: Tensor, *, condition: Condition = None) -> Tensor:
        pictures: Tensor = self.generator(z)
        return pictures

    def sample(self, n: int, *, condition: Condition = None, generator: torch.Generator | None = None) -> Tensor:
        return self.decode(torch.randn(n, self.latent_dim, generator=generator, device=self.device))

    def score(self, x: Tensor, *, condition: Condition = None) -> Tensor:
        logits: Tensor = self._kept_discriminator()(x)
        return logits.squeeze(1)

    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """Half of what the discriminator minimises without smoothing, on images in [-1, 1]."""
        both = adversarial_loss(self.score(real), real=True) + adversarial_loss(self.score(fake), real=False)
        return 0.5 * both

    def _kept_discriminator(self) -> nn.Sequential:
        if self.discriminator is None:
            raise CapabilityError("this checkpoint was published without its discriminator, so it cannot score")
        return self.discriminator
