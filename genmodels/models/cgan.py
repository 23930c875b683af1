"""Conditional GAN: Mirza and Osindero, arXiv 1411.1784.

Both networks are told the class y, so that the generator can be asked for one:

    discriminator:  minimise  -log D(x, y) - log(1 - D(G(z, y'), y'))
    generator:      minimise  -log D(G(z, y'), y')

with y' drawn evenly. How a class enters (`label_as`): a learned vector beside z, and beside the picture's pixels; a
one-hot vector there; or learned factors that z and the picture are multiplied with, element by element. Beside the
pixels of convolutional networks the vector is further planes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from genmodels.config import live
from genmodels.networks.gan_settings import EitherNetworks


class CGANConfig(EitherNetworks):
    """Networks of `EitherNetworks`, and how the class enters them."""

    batch_keys: ClassVar[tuple[str, ...]] = ("image", "label")

    label_as: Literal["embedding", "one_hot", "product"] = Field(
        "embedding", description="a learned vector beside the input, a one-hot vector, or learned factors of the input"
    )
    label_dim: int = Field(10, ge=1, le=1024, description="numbers in a class's learned vector")
    label_smoothing: float = live(0.0, ge=0, lt=0.5, description="how far below 1 the target of real pictures is")
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

    @model_validator(mode="after")
    def _there_are_classes(self) -> Self:
        if self.num_classes is not None and self.num_classes < 1:
            raise ValueError("a conditional GAN needs data with classes, for example --data digits")
        return self

    @property
    def conditions(self) -> dict[str, int]:
        return {"label": self.num_classes or 0}


import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

from genmodels.capabilities import Condition
from genmodels.errors import CapabilityError, DataError
from genmodels.networks import gan
from genmodels.losses import adversarial_ideal, adversarial_loss
from genmodels.model import Batch, Curve, Metrics, Model, make_optimizer, update
from genmodels.registry import register


class LabelledGenerator(nn.Module):
    """(z, classes as weights (B, K)) -> images (B, C, H, W) in [-1, 1]."""

    def __init__(self, config: CGANConfig) -> None:
        super().__init__()
        classes, self.product = config.num_classes or 0, config.label_as == "product"
        width = {"embedding": config.label_dim, "one_hot": classes, "product": config.latent_dim}[config.label_as]
        self.label = nn.Identity() if config.label_as == "one_hot" else nn.Linear(classes, width, bias=False)
        self.body = gan.generator(config, config.latent_dim + (0 if self.product else width))

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        label = self.label(y)
        pictures: Tensor = self.body(z * label if self.product else torch.cat([z, label.to(z.dtype)], 1))
        return pictures


class LabelledDiscriminator(nn.Module):
    """(images, classes as weights (B, K)) -> logits (B, 1)."""

    def __init__(self, config: CGANConfig) -> None:
        super().__init__()
        classes, shape = config.num_classes or 0, config.image_shape or (0, 0, 0)
        self.product, self.planes, self.shape = config.label_as == "product", config.uses_convolutions, shape
        one_hot = config.label_as == "one_hot"
        if self.product or (self.planes and not one_hot):
            # One learned plane a class, as large as the picture: multiplied with every channel, or added as a channel.
            self.label: nn.Module = nn.Sequential(
                nn.Linear(classes, shape[1] * shape[2], bias=False), nn.Unflatten(1, (1, *shape[1:]))
            )
            beside = 0 if self.product else 1
        elif self.planes:
            self.label, beside = nn.Unflatten(1, (classes, 1, 1)), classes
        elif one_hot:
            self.label, beside = nn.Identity(), classes
        else:
            self.label, beside = nn.Linear(classes, config.label_dim, bias=False), config.label_dim
        self.body = gan.discriminator(config, shape[0], beside=beside)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        label = self.label(y)
        if self.product:
            logits: Tensor = self.body(x * label)
        elif self.planes:
            logits = self.body(torch.cat([x, label.expand(-1, -1, *self.shape[1:]).to(x.dtype)], 1))
        else:
            logits = self.body(torch.cat([x.flatten(1), label.to(x.dtype)], 1))
        return logits


@register("cgan")
class CGAN(Model):
    Config = CGANConfig
    title = "Conditional GAN"
    paper = "Mirza & Osindero 2014, arXiv 1411.1784"
    training_only = frozenset({"discriminator"})
    config: CGANConfig

    def __init__(self, config: CGANConfig) -> None:
        super().__init__(config)
        self.generator = LabelledGenerator(config)
        self.discriminator: LabelledDiscriminator | None = LabelledDiscriminator(config)

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
        y = self._weights(batch["label"])
        asked = self._weights(self._drawn(len(real)))
        fake = self.generator(torch.randn(len(real), self.latent_dim, device=real.device), asked)

        # discriminator: minimise -log D(x, y) - log(1 - D(G(z, y'), y'))
        smoothing = self.config.label_smoothing
        if self.config.discriminator_updates == "separate":
            real_logits = discriminator(real, y)
            real_loss = adversarial_loss(real_logits, real=True, smoothing=smoothing)
            update(optimizers["discriminator"], real_loss)
            fake_logits = discriminator(fake.detach(), asked)
            fake_loss = adversarial_loss(fake_logits, real=False)
            update(optimizers["discriminator"], fake_loss)
            discriminator_loss = real_loss + fake_loss
        else:
            real_logits, fake_logits = discriminator(real, y), discriminator(fake.detach(), asked)
            discriminator_loss = adversarial_loss(real_logits, real=True, smoothing=smoothing) + adversarial_loss(
                fake_logits, real=False
            )
            update(optimizers["discriminator"], discriminator_loss)

        # generator: minimise -log D(G(z, y'), y'), with D frozen
        discriminator.requires_grad_(False)
        generator_loss = adversarial_loss(discriminator(fake, asked), real=True)
        update(optimizers["generator"], generator_loss)
        discriminator.requires_grad_(True)

        return {
            "loss/discriminator": 0.5 * discriminator_loss.detach(),
            "loss/generator": generator_loss.detach(),
            "score/real": real_logits.detach().float().sigmoid().mean(),
            "score/fake": fake_logits.detach().float().sigmoid().mean(),
        }

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
        """z (B, latent_dim) and {"label": int64 (B,), or weights of the classes (B, K)} -> images.

        Without a condition every picture is of class 0: a picture may not depend on who asks beside it. Raises
        CapabilityError or DataError for a condition that names no class of this model.
        """
        first = torch.zeros(len(z), dtype=torch.int64)
        pictures: Tensor = self.generator(z, self._told(condition, len(z)) if condition else self._weights(first))
        return pictures

    def sample(self, n: int, *, condition: Condition = None, generator: torch.Generator | None = None) -> Tensor:
        """Without a condition the classes are drawn evenly; one that names no class is refused as in `decode`."""
        z = torch.randn(n, self.latent_dim, generator=generator, device=self.device)
        y = self._told(condition, n) if condition else self._weights(self._drawn(n, generator))
        pictures: Tensor = self.generator(z, y)
        return pictures

    def score(self, x: Tensor, *, condition: Condition = None) -> Tensor:
        """Logits (B,); raises CapabilityError without a class to compare with, or without the discriminator.

        A condition that names no class of this model is refused as in `decode`.
        """
        discriminator = self._kept_discriminator()
        if not condition:
            raise CapabilityError(
                "a conditional discriminator needs the class of each picture: condition={'label': ...}"
            )
        logits: Tensor = discriminator(x, self._told(condition, len(x)))
        return logits.squeeze(1)

    def _drawn(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        """Classes int64 (count,), each as probable as the others."""
        return torch.randint(0, self.config.num_classes or 0, (count,), generator=generator, device=self.device)

    def _weights(self, label: Tensor) -> Tensor:
        """Classes as weights (B, K): one-hot for a label, as they are for a blend."""
        label = label.to(self.device)
        return label.float() if label.is_floating_point() else F.one_hot(label, self.config.num_classes or 0).float()

    def _told(self, condition: Mapping[str, Tensor], count: int) -> Tensor:
        """What a caller asks for as weights (B, K); raises CapabilityError or DataError."""
        classes = self.config.num_classes or 0
        if "label" not in condition:
            raise CapabilityError(
                f"condition has {', '.join(map(repr, condition))}, but this model is asked for a class: give "
                f"condition={{'label': ...}}, 0 to {classes - 1}"
            )
        label, blend = condition["label"], condition["label"].is_floating_point()
        allowed = f"int64 ({count},), classes 0 to {classes - 1}, or, to blend, weights float ({count}, {classes})"
        if not blend and label.dtype != torch.int64:
            raise DataError(
                f"label of {label.dtype} is not allowed: give {allowed}; label.long() makes int64 of whole numbers"
            )
        if label.shape != ((count, classes) if blend else (count,)):
            raise DataError(f"label of shape {tuple(label.shape)} is not allowed for {count} pictures: give {allowed}")
        wrong = [] if blend else sorted(set(label[(label < 0) | (label >= classes)].tolist()))
        if wrong:
            raise DataError(
                f"label = {', '.join(map(str, wrong))} is not allowed: this model has {classes} classes, "
                f"0 to {classes - 1}; ask for one of them"
            )
        return self._weights(label)

    def _kept_discriminator(self) -> LabelledDiscriminator:
        if self.discriminator is None:
            raise CapabilityError("this checkpoint was published without its discriminator, so it cannot score")
        return self.discriminator
