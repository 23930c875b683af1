"""Deep convolutional GAN: Radford, Metz and Chintala, arXiv 1511.06434.

A GAN with convolutional networks: G upsamples a small feature map to an image, D downsamples an image to one number.

    discriminator:  minimise  -log D(x) - log(1 - D(G(z)))
    generator:      minimise  -log D(G(z))                    (the non-saturating form)

    variable        paper       meaning
    real            x           images (B, C, H, W) in [-1, 1]
    z               z           latent vectors (B, latent_dim) from N(0, I)
    fake            G(z)        generated images
    discriminator   logit of D  D(x) = sigmoid(logit), the probability that x is real
    smoothing       -           one-sided label smoothing: D's target of real images is 1 - smoothing (arXiv 1606.03498)

With augment = "diff" D sees T(x) and T(G(z)) in both updates, with T a random differentiable augmentation (Zhao et al.,
arXiv 2006.10738): on a small data set D would memorise the images.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from genmodels.config import linear_end, live
from genmodels.networks.gan_settings import ConvNetworks, joint_or_separate


class DCGANConfig(ConvNetworks):
    """Networks of `ConvNetworks`, and how they are trained."""

    label_smoothing: float = live(
        0.0, ge=0, lt=0.5, description="lowers the target of real images below 1: a less over-confident discriminator"
    )
    augment: Literal["none", "diff"] = Field(
        "none",
        description="diff: the discriminator sees real and generated images with random colours, shifts and cutouts, "
        "so that it does not memorise a few thousand images; unnecessary with tens of thousands (2006.10738)",
    )
    flip: bool = Field(False, description="mirror half of the real images: for faces and rooms, not for digits")
    discriminator_updates: Literal["joint", "separate"] = joint_or_separate()
    beta1: float = Field(0.5, ge=0, lt=1, description="Adam's decay rate of the first moment")
    generator_lr: float = live(2e-4, gt=0, le=1, description="learning rate of the generator")
    discriminator_lr: float = live(2e-4, gt=0, le=1, description="learning rate of the discriminator")
    lr_end: float = linear_end()


# Everything above the next line is read without torch (genmodels/registry.py).
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm
from torch.optim import Optimizer

from genmodels.capabilities import Condition
from genmodels.layers import augment
from genmodels.losses import adversarial_loss, gan_curves
from genmodels.model import Batch, Curve, Metrics, Model, linear, make_optimizer, update
from genmodels.networks.gan_settings import EitherNetworks, start_size
from genmodels.networks.mlp import activation, mlp_discriminator, mlp_generator
from genmodels.registry import register

# ------------------------------------------------------------------- networks, also of cgan, wgan and wgan_gp


def generator(config: ConvNetworks, inputs: int) -> nn.Sequential:
    """(B, inputs) -> images (B, C, H, W) in [-1, 1]."""
    if isinstance(config, EitherNetworks) and not config.uses_convolutions:
        return initialise(mlp_generator(config, inputs), config.init_std)
    height, width, crop = start_size(config)
    normalised = config.generator_norm == "batch"
    channels = [*config.generator_channels, config.shape[0]]
    layers: list[nn.Module] = [
        nn.Linear(inputs, channels[0] * height * width, bias=not normalised),
        nn.Unflatten(1, (channels[0], height, width)),  # (B, channels[0], height, width)
    ]
    last = len(config.generator_strides) - 1
    for index, stride in enumerate(config.generator_strides):
        if normalised:
            layers.append(nn.BatchNorm2d(channels[index]))
        layers.append(activation(config.generator_activation, config.leaky_slope))
        # (B, channels[index], h, w) -> (B, channels[index + 1], stride * h, stride * w)
        before, after, bias = channels[index], channels[index + 1], index == last or not normalised
        layers += _upsampling(config, before, after, stride, bias=bias, crop=crop if index == last else 0)
    return initialise(nn.Sequential(*layers, nn.Tanh()), config.init_std)


def _upsampling(
    config: ConvNetworks, before: int, after: int, stride: int, *, bias: bool, crop: int
) -> list[nn.Module]:
    """The layers that upsample a map by `stride`."""
    kernel = config.generator_kernel
    if config.upsample == "nearest":
        convolution = nn.Conv2d(before, after, kernel, padding="same", bias=bias)
        return [nn.Upsample(scale_factor=stride, mode="nearest"), convolution] if stride > 1 else [convolution]
    if config.padding == "none":
        return [nn.ConvTranspose2d(before, after, kernel, stride, crop, bias=bias)]
    # (n - 1) stride - 2 padding + kernel + extra = n stride, so 2 padding = kernel - stride + extra
    extra = (kernel - stride) % 2
    return [nn.ConvTranspose2d(before, after, kernel, stride, (kernel - stride + extra) // 2, extra, bias=bias)]


def discriminator(config: ConvNetworks, *, label_inputs: int = 0, last_bias: bool = True) -> nn.Sequential:
    """Images (B, C, H, W) -> logits (B, 1).

    `label_inputs` of a conditional model are extra channels of the image, or extra inputs of a fully connected network.
    A critic has no `last_bias`: only differences of its scores count, so it would never be trained.
    """
    channels, height, width = config.shape
    if isinstance(config, EitherNetworks) and not config.uses_convolutions:
        network = mlp_discriminator(config, channels * height * width + label_inputs, last_bias)
        return normalise_spectrally(initialise(network, config.init_std), config)
    kernel = config.discriminator_kernel
    padding = (kernel - 1) // 2 if config.padding == "same" else 0
    before = channels + label_inputs
    layers: list[nn.Module] = []
    for index, (after, stride) in enumerate(
        zip(config.discriminator_channels, config.discriminator_strides, strict=True)
    ):
        normalised = config.discriminator_norm == "batch" and index > 0
        layers.append(nn.Conv2d(before, after, kernel, stride, padding, bias=not normalised))  # (B, after, h, w)
        if normalised:
            layers.append(nn.BatchNorm2d(after))
        layers.append(activation(config.discriminator_activation, config.leaky_slope))
        if config.dropout:
            layers.append(nn.Dropout(config.dropout))
        height, width = ((side + 2 * padding - kernel) // stride + 1 for side in (height, width))
        before = after
    layers += [nn.Flatten(), nn.Linear(before * height * width, 1, bias=last_bias)]  # (B, 1)
    return normalise_spectrally(initialise(nn.Sequential(*layers), config.init_std), config)


def initialise(network: nn.Sequential, std: float | None) -> nn.Sequential:
    """Initialises weights from N(0, std^2) and scales of batch normalisation from N(1, std^2), as the paper does."""
    if std is not None:
        for module in network.modules():
            weight = getattr(module, "weight", None)
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                nn.init.normal_(module.weight, 1.0, std)
            elif isinstance(weight, torch.Tensor) and weight.dim() > 1:
                nn.init.normal_(weight, 0.0, std)
    return network


def normalise_spectrally(network: nn.Sequential, config: ConvNetworks) -> nn.Sequential:
    """Bounds the Lipschitz constant of each layer if discriminator_norm is "spectral" (arXiv 1802.05957).

    After the initialisation: a normalised layer computes its `weight` from another tensor.
    """
    if config.discriminator_norm == "spectral":
        for module in network:
            if isinstance(module, nn.Conv2d | nn.Linear):
                spectral_norm(module)
    return network


# ------------------------------------------------------------------- model


@register("dcgan")
class DCGAN(Model):
    Config = DCGANConfig
    title = "Deep convolutional GAN"
    paper = "Radford et al. 2015, arXiv 1511.06434"
    training_only = frozenset({"discriminator"})
    config: DCGANConfig

    def __init__(self, config: DCGANConfig) -> None:
        super().__init__(config)
        self.generator = generator(config, config.latent_dim)
        self.discriminator: nn.Sequential | None = discriminator(config)

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
        real = augment.flip(batch["image"]) if self.config.flip else batch["image"]  # x (B, C, H, W)
        z = torch.randn(len(real), self.latent_dim, device=real.device)  # (B, latent_dim)
        fake = self.generator(z)  # G(z) (B, C, H, W), for both updates: generating twice would cost half of the step

        # discriminator: minimise  -log D(x) - log(1 - D(G(z)))
        if self.config.discriminator_updates == "separate":
            real_logits = discriminator(self._augmented(real))  # (B, 1)
            real_loss = adversarial_loss(real_logits, real=True, smoothing=smoothing)  # -log D(x)
            update(optimizers["discriminator"], real_loss)
            fake_logits = discriminator(self._augmented(fake.detach()))
            fake_loss = adversarial_loss(fake_logits, real=False)  # -log(1 - D(G(z)))
            update(optimizers["discriminator"], fake_loss)
        else:
            real_logits, fake_logits = self._logits(self._augmented(real), self._augmented(fake.detach()))
            real_loss = adversarial_loss(real_logits, real=True, smoothing=smoothing)
            fake_loss = adversarial_loss(fake_logits, real=False)
            update(optimizers["discriminator"], real_loss + fake_loss)

        # generator: minimise  -log D(G(z)). D is frozen: its gradients would be computed and discarded.
        discriminator.requires_grad_(False)
        generator_loss = adversarial_loss(discriminator(self._augmented(fake)), real=True)
        update(optimizers["generator"], generator_loss)
        discriminator.requires_grad_(True)

        return {
            "loss/discriminator": 0.5 * (real_loss + fake_loss).detach(),
            "loss/generator": generator_loss.detach(),
            "score/real": real_logits.detach().float().sigmoid().mean(),
            "score/fake": fake_logits.detach().float().sigmoid().mean(),
        }

    def _logits(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        """D's logits of both: of one batch, which is a twentieth faster, unless batch normalisation would mix them."""
        discriminator = self.required("discriminator")
        if self.config.discriminator_norm == "batch":
            return discriminator(real), discriminator(fake)
        real_logits, fake_logits = discriminator(torch.cat([real, fake.to(real.dtype)])).chunk(2)
        return real_logits, fake_logits

    def _augmented(self, x: Tensor) -> Tensor:
        """T(x), augmented at random at every call, or x."""
        return augment.diff_augment(x) if self.config.augment == "diff" else x

    def curves(self) -> dict[str, Curve]:
        return gan_curves(smoothing=self.config.label_smoothing)

    # --------------------------------------------------------------- sampling and scores

    def decode(self, z: Tensor, *, condition: Condition = None) -> Tensor:
        images: Tensor = self.generator(z)
        return images

    def sample(self, n: int, *, condition: Condition = None, generator: torch.Generator | None = None) -> Tensor:
        return self.decode(torch.randn(n, self.latent_dim, generator=generator, device=self.device))

    def score(self, x: Tensor, *, condition: Condition = None) -> Tensor:
        logits: Tensor = self.required("discriminator")(x)
        return logits.squeeze(1)

    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """Half of the discriminator's loss without smoothing, on images in [-1, 1]."""
        return 0.5 * (adversarial_loss(self.score(real), real=True) + adversarial_loss(self.score(fake), real=False))
