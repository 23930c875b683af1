"""Conditional GAN: Mirza and Osindero, arXiv 1411.1784.

Both networks are conditioned on the class y, so that the generator samples a given class:

    discriminator:  minimise  -log D(x, y) - log(1 - D(G(z, y'), y'))
    generator:      minimise  -log D(G(z, y'), y')                         with y' sampled uniformly

    variable        paper       meaning
    real, y         x, y        images (B, C, H, W) in [-1, 1] and their classes, one-hot (B, K)
    z               z           latent vectors (B, latent_dim) from N(0, I)
    fake, y_fake    G(z, y'), y'  generated images and their classes
    discriminator   logit of D  D(x, y) = sigmoid(logit), the probability that x is a real image of class y

How the class enters (`label_as`): as a learned embedding or a one-hot vector, concatenated with z and with the image's
pixels; or as learned factors, multiplied with z and with the image. Convolutional discriminators get the vector as
extra channels. The networks are DCGAN's or fully connected.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from genmodels.config import linear_end, live
from genmodels.networks.gan_settings import EitherNetworks, joint_or_separate


class CGANConfig(EitherNetworks):
    """Networks of `EitherNetworks`, and how the class enters them."""

    batch_keys: ClassVar[tuple[str, ...]] = ("image", "label")

    label_as: Literal["embedding", "one_hot", "product"] = Field(
        "embedding",
        description="how the class enters: a learned embedding or a one-hot vector, concatenated with the input; or "
        "learned factors, multiplied with the input",
    )
    label_dim: int = Field(10, ge=1, le=1024, description="dimension of the class embedding")
    label_smoothing: float = live(0.0, ge=0, lt=0.5, description="lowers the target of real images below 1")
    discriminator_updates: Literal["joint", "separate"] = joint_or_separate()
    beta1: float = Field(0.5, ge=0, lt=1, description="Adam's decay rate of the first moment")
    generator_lr: float = live(2e-4, gt=0, le=1, description="learning rate of the generator")
    discriminator_lr: float = live(2e-4, gt=0, le=1, description="learning rate of the discriminator")
    lr_end: float = linear_end()

    @model_validator(mode="after")
    def _has_classes(self) -> Self:
        if self.num_classes is not None and self.num_classes < 1:
            raise ValueError("a conditional GAN needs data with classes, for example --data digits")
        return self

    @property
    def conditions(self) -> dict[str, int]:
        return {"label": self.num_classes or 0}


# Everything above the next line is read without torch (genmodels/registry.py).
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from genmodels.capabilities import Condition
from genmodels.conditions import condition_weights, one_hot
from genmodels.errors import CapabilityError
from genmodels.losses import adversarial_loss, gan_curves
from genmodels.model import Batch, Curve, Metrics, Model, linear, make_optimizer, update
from genmodels.models import dcgan
from genmodels.registry import register


class LabelledGenerator(nn.Module):
    """z (B, latent_dim) and class weights (B, K) -> images (B, C, H, W) in [-1, 1]."""

    def __init__(self, config: CGANConfig) -> None:
        super().__init__()
        self.product = config.label_as == "product"
        width = {"embedding": config.label_dim, "one_hot": config.classes, "product": config.latent_dim}[
            config.label_as
        ]
        self.label = nn.Identity() if config.label_as == "one_hot" else nn.Linear(config.classes, width, bias=False)
        self.body = dcgan.generator(config, config.latent_dim + (0 if self.product else width))

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        label = self.label(y)  # (B, width)
        images: Tensor = self.body(z * label if self.product else torch.cat([z, label.to(z.dtype)], 1))
        return images


class LabelledDiscriminator(nn.Module):
    """Images (B, C, H, W) and class weights (B, K) -> logits (B, 1)."""

    def __init__(self, config: CGANConfig) -> None:
        super().__init__()
        classes, (_, height, width) = config.classes, config.shape
        self.product, self.channels, self.shape = config.label_as == "product", config.uses_convolutions, config.shape
        one_hot = config.label_as == "one_hot"
        if self.product or (self.channels and not one_hot):
            # One learned channel per class: multiplied with every channel of the image, or concatenated as a channel.
            self.label: nn.Module = nn.Sequential(
                nn.Linear(classes, height * width, bias=False), nn.Unflatten(1, (1, height, width))
            )  # (B, 1, H, W)
            label_inputs = 0 if self.product else 1
        elif self.channels:
            self.label, label_inputs = nn.Unflatten(1, (classes, 1, 1)), classes  # (B, K, 1, 1)
        elif one_hot:
            self.label, label_inputs = nn.Identity(), classes  # (B, K)
        else:
            self.label, label_inputs = nn.Linear(classes, config.label_dim, bias=False), config.label_dim
        self.body = dcgan.discriminator(config, label_inputs=label_inputs)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        label = self.label(y)
        if self.product:
            logits: Tensor = self.body(x * label)
        elif self.channels:
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
        return dict.fromkeys(("generator", "discriminator"), linear(step, max_steps, self.config.lr_end))

    # --------------------------------------------------------------- training

    def training_step(self, batch: Batch, optimizers: Mapping[str, Optimizer], step: int) -> Metrics:
        discriminator, smoothing = self.required("discriminator"), self.config.label_smoothing
        real = batch["image"]  # x (B, C, H, W)
        y = one_hot(batch["label"], self.config.classes)  # (B, K)
        y_fake = self._random_classes(len(real))  # y' (B, K)
        z = torch.randn(len(real), self.latent_dim, device=real.device)
        fake = self.generator(z, y_fake)  # G(z, y') (B, C, H, W)

        # discriminator: minimise  -log D(x, y) - log(1 - D(G(z, y'), y'))
        if self.config.discriminator_updates == "separate":
            real_logits = discriminator(real, y)  # (B, 1)
            real_loss = adversarial_loss(real_logits, real=True, smoothing=smoothing)  # -log D(x, y)
            update(optimizers["discriminator"], real_loss)
            fake_logits = discriminator(fake.detach(), y_fake)
            fake_loss = adversarial_loss(fake_logits, real=False)  # -log(1 - D(G(z, y'), y'))
            update(optimizers["discriminator"], fake_loss)
        else:
            real_logits, fake_logits = discriminator(real, y), discriminator(fake.detach(), y_fake)
            real_loss = adversarial_loss(real_logits, real=True, smoothing=smoothing)
            fake_loss = adversarial_loss(fake_logits, real=False)
            update(optimizers["discriminator"], real_loss + fake_loss)

        # generator: minimise  -log D(G(z, y'), y'), with D frozen
        discriminator.requires_grad_(False)
        generator_loss = adversarial_loss(discriminator(fake, y_fake), real=True)
        update(optimizers["generator"], generator_loss)
        discriminator.requires_grad_(True)

        return {
            "loss/discriminator": 0.5 * (real_loss + fake_loss).detach(),
            "loss/generator": generator_loss.detach(),
            "score/real": real_logits.detach().float().sigmoid().mean(),
            "score/fake": fake_logits.detach().float().sigmoid().mean(),
        }

    def curves(self) -> dict[str, Curve]:
        return gan_curves(smoothing=self.config.label_smoothing)

    # --------------------------------------------------------------- sampling and scores

    def decode(self, z: Tensor, *, condition: Condition = None) -> Tensor:
        """z (B, latent_dim) and {"label": int64 (B,), or class weights (B, K)} -> images.

        Without a condition every image is of class 0: an image may not depend on the rest of the batch. Raises
        CapabilityError or DataError for a condition without a class of this model.
        """
        images: Tensor = self.generator(z, self._classes(condition or {"label": torch.zeros(len(z)).long()}, len(z)))
        return images

    def sample(self, n: int, *, condition: Condition = None, generator: torch.Generator | None = None) -> Tensor:
        """Without a condition the classes are sampled uniformly; a wrong condition is refused as in `decode`."""
        z = torch.randn(n, self.latent_dim, generator=generator, device=self.device)
        images: Tensor = self.generator(
            z, self._classes(condition, n) if condition else self._random_classes(n, generator)
        )
        return images

    def score(self, x: Tensor, *, condition: Condition = None) -> Tensor:
        """Logits (B,); raises CapabilityError without a condition or without the discriminator.

        A wrong condition is refused as in `decode`.
        """
        discriminator = self.required("discriminator")
        if not condition:
            raise CapabilityError("a conditional discriminator needs the class of each image: condition={'label': ...}")
        logits: Tensor = discriminator(x, self._classes(condition, len(x)))
        return logits.squeeze(1)

    def _classes(self, condition: Condition, count: int) -> Tensor:
        """Class weights (count, K) of a condition; raises CapabilityError or DataError."""
        return condition_weights(condition, self.config.conditions, count, self.device)

    def _random_classes(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        """One-hot classes (count, K), sampled uniformly."""
        label = torch.randint(0, self.config.classes, (count,), generator=generator, device=self.device)
        return one_hot(label, self.config.classes)
