"""CycleGAN: Zhu, Park, Isola and Efros, arXiv 1703.10593.

Translation between two unpaired image domains A and B. Generator G maps A to B and F maps B to A; discriminators D_A
and D_B tell real images from translations. Cycle consistency: F(G(a)) must be a, and G(F(b)) must be b.

    generators:      minimise  mean (D_B(G(a)) - 1)^2 + mean (D_A(F(b)) - 1)^2
                               + cycle_weight    * ( mean |F(G(a)) - a| + mean |G(F(b)) - b| )
                               + identity_weight * ( mean |G(b) - b|    + mean |F(a) - a|    )
    discriminators:  minimise  1/2 ( mean (D_B(b) - 1)^2 + mean D_B(G(a'))^2 )  +  the same for D_A and F(b')

G(a') and F(b') come from replay buffers of earlier translations (Shrivastava et al., arXiv 1612.07828). The adversarial
loss is least squares, without a sigmoid (Mao et al., arXiv 1611.04076).

    variable                          paper         meaning
    real_a, real_b                    x, y          batches of domain A and B
    generator_ab, generator_ba        G, F          ResNet (arXiv 1603.08155) or U-Net (arXiv 1505.04597)
    discriminator_a, discriminator_b  D_X, D_Y      PatchGAN (Isola et al., arXiv 1611.07004): one score per patch
    fake_b, fake_a                    G(x), F(y)    translations
    cycle_a, cycle_b                  L_cyc         cycle-consistency loss of each domain
    cycle_weight                      lambda        10
    identity_weight                   0.5 lambda    weight of L_identity (section 5.2)

With `discriminator: projected` the discriminators score frozen features of VGG-19 (Sauer et al., arXiv 2111.01007;
`networks/projected_discriminator.py`), with the hinge loss, averaged over layers, and without replay buffer:

    generators:      - mean D_B(G(a)) - mean D_A(F(b)) + the same other terms
    discriminators:  1/2 ( mean max(0, 1 - D_B(b)) + mean max(0, 1 + D_B(G(a))) )  +  the same for D_A

With `attention` a generator predicts an image y and a mask m from 0 to 1, and G(x) = x + m (y - x), which preserves the
background (Tang et al., arXiv 1911.11897).

With `object_masks` each training image has a mask M of its objects, computed without labels (`images/object_masks.py`,
`networks/object_weighting.py`). Means of scores become means weighted with 0.1 + 0.9 M, so that the background is
neither judged nor imitated, and m follows M where M is certain, below 0.1 or above 0.9:

    generators:      - mask_weight * mean ( M log m + (1 - M) log (1 - m) ) [M certain], of both domains

With `generator_warmup` the first steps have no adversarial loss: generators from scratch learn to keep an image and to
cover its objects, while the discriminators learn what distinguishes the real domains:

    generators:      minimise  mean |G(a) - a| + mean |F(b) - b| + the same term of the masks
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from genmodels.config import ModelConfig, live
from genmodels.errors import CapabilityError, ConfigError

Channels = Annotated[int, Field(ge=1, le=1024)]
_SMALLEST_PROJECTED = 16
"""Smallest side in pixels of a projected discriminator's images: 2 x 2 positions in its deepest layer."""


class CycleGANConfig(ModelConfig):
    """Networks, loss weights, augmentation and optimizers."""

    batch_keys: ClassVar[tuple[str, ...]] = ("image_a", "image_b")

    generator: Literal["resnet", "unet"] = Field(
        "resnet",
        description="resnet: two downsampling layers, residual blocks, two upsampling layers; unet: one downsampling "
        "layer per entry of unet_channels, with skip connections at equal resolution",
    )
    resnet_channels: Channels = Field(64, description="channels at full resolution; four times as many in the blocks")
    residual_blocks: int = Field(
        9, ge=1, le=24, description="residual blocks of a resnet: 6 for 128 pixels, 9 for 256 in the paper"
    )
    upsample: Literal["transposed", "nearest"] = Field(
        "transposed",
        description="upsampling of a resnet: transposed convolution, or nearest-neighbour upsampling followed by a "
        "convolution (no checkerboard artefacts)",
    )
    unet_channels: tuple[Channels, ...] = Field(
        (32, 64, 128, 256), min_length=1, max_length=8, description="channels after each downsampling layer of a unet"
    )
    attention: bool = Field(
        False,
        description="the generators also predict a mask of where to change an image; the rest stays as it is "
        "(arXiv 1911.11897). Choose a cycle_weight of about 2: changing nothing has no cycle loss",
    )
    object_masks: bool = Field(
        False,
        description="weigh the losses with masks of the objects, which are computed without labels before the first "
        "step (a quarter of a second per image) and stored; `python -m genmodels masks` shows and changes them",
    )
    mask_weight: float = live(
        1.0,
        ge=0,
        le=1000,
        description="of attention with object_masks: weight of the loss that makes the generators' mask follow the "
        "object masks",
    )
    discriminator: Literal["patch", "projected"] = Field(
        "patch",
        description="patch: a PatchGAN, trained from scratch; projected: small heads on frozen features of VGG-19, "
        "which learn textures in minutes instead of hours; discriminator_channels and pool_size then have no effect",
    )
    discriminator_channels: tuple[Channels, ...] = Field(
        (64, 128, 256, 512),
        min_length=1,
        max_length=8,
        description="channels after each convolution of the discriminators; all but the last have a stride of 2",
    )
    discriminator_last_stride: Literal[1, 2] = Field(
        1, description="stride of the last of these: with four layers, 1 gives patches of 70 pixels, 2 larger ones"
    )
    leaky_slope: float = Field(0.2, ge=0, lt=1, description="slope of LeakyReLU below zero")
    init_std: float | None = Field(
        0.02,
        gt=0,
        le=1,
        description="standard deviation of the initial weights, 0.02 in the paper; empty: PyTorch's default",
    )
    cycle_weight: float = live(10.0, ge=0, le=1000, description="weight of the cycle-consistency loss")
    identity_weight: float = live(
        5.0,
        ge=0,
        le=1000,
        description="weight of the identity loss, which keeps colours: half of cycle_weight in the paper; 0 saves a "
        "third of a step",
    )
    pool_size: int = Field(
        50, ge=0, le=1000, description="size of the replay buffer (image pool) of each discriminator"
    )
    zoom: float = Field(
        286 / 256,
        ge=1,
        le=2,
        description="training images are enlarged by this factor and cropped at random; 286 to 256 pixels in the paper",
    )
    flip: bool = Field(True, description="mirror half of the training images; not for digits and letters")
    discriminator_warmup: int = Field(
        0,
        ge=0,
        le=1_000_000,
        description="discriminator warm-up steps: only the discriminators are trained in the first steps. For "
        "generators that start from pretrained weights, which untrained discriminators would destroy. The steps count "
        "towards max_steps and decay_from",
    )
    generator_warmup: int = Field(
        0,
        ge=0,
        le=1_000_000,
        description="generator warm-up steps: in the first steps the generators learn to keep their input, and their "
        "mask to cover the objects, without adversarial loss. For generators from scratch with attention, whose mask "
        "would close. The steps count towards max_steps and decay_from",
    )
    beta1: float = Field(0.5, ge=0, lt=1, description="Adam's beta1")
    generator_lr: float = live(2e-4, gt=0, le=1, description="learning rate of both generators")
    discriminator_lr: float = live(2e-4, gt=0, le=1, description="learning rate of both discriminators")
    decay_from: float = Field(
        0.5,
        ge=0,
        le=1,
        description="fraction of the training after which the learning rates fall linearly to 0; 1: constant",
    )

    @property
    def multiple(self) -> int:
        """Both sides of an image must be multiples of this: 2 per downsampling layer."""
        return 4 if self.generator == "resnet" else 2 ** len(self.unet_channels)

    @property
    def discriminator_strides(self) -> tuple[int, ...]:
        """Stride of each convolution of a discriminator, the last one with the scores included."""
        return (*(2 for _ in self.discriminator_channels[1:]), self.discriminator_last_stride, 1)

    @model_validator(mode="after")
    def _layers_fit(self) -> Self:
        if self.image_shape is None:
            return self
        _, height, width = self.image_shape
        if height % self.multiple or width % self.multiple:
            raise ValueError(
                f"a {self.generator} generator halves images {self.multiple.bit_length() - 1} times, but {height}x"
                f"{width} is no multiple of {self.multiple}: change data.size, or choose fewer unet_channels"
            )
        if self.generator == "resnet" and min(height, width) < 8:
            raise ValueError(f"a resnet generator reflects 3 pixels at the border: {height}x{width} is below 8x8")
        size = min(height, width)
        if self.discriminator == "projected":
            if size < _SMALLEST_PROJECTED:
                raise ValueError(
                    f"a projected discriminator needs sides of at least {_SMALLEST_PROJECTED} pixels, not "
                    f"{height}x{width}: choose discriminator = patch, or another data.size"
                )
            return self
        for stride in self.discriminator_strides:
            size = (size - 2) // stride + 1  # kernels of 4, padding of 1
            if size < 1:
                raise ValueError(
                    f"{len(self.discriminator_channels)} discriminator_channels reduce a {height}x{width} image to "
                    "nothing: choose fewer"
                )
        return self

    @model_validator(mode="after")
    def _one_warmup(self) -> Self:
        if self.discriminator_warmup and self.generator_warmup:
            raise ValueError(
                f"discriminator_warmup = {self.discriminator_warmup:,} is for pretrained generators, generator_warmup "
                f"= {self.generator_warmup:,} for generators from scratch: set one of them to 0"
            )
        return self

    @property
    def needs_masks(self) -> bool:
        return self.object_masks

    @property
    def warmup(self) -> int:
        return max(self.discriminator_warmup, self.generator_warmup)

    def check_steps(self, max_steps: int) -> None:
        if self.warmup >= max_steps:
            names = (
                ("discriminator_warmup", "generators")
                if self.discriminator_warmup
                else ("generator_warmup", "translation")
            )
            raise ConfigError(
                f"model.{names[0]} = {self.warmup:,} leaves no step for the {names[1]}: "
                f"train.max_steps = {max_steps:,}; choose fewer warm-up steps or more training steps"
            )


# Everything above the next line is read without torch (genmodels/registry.py).
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

from genmodels.capabilities import Direction
from genmodels.layers import augment
from genmodels.layers.image_pool import ImagePool
from genmodels.layers.instance_norm import InstanceNorm
from genmodels.losses import hinge_loss, least_squares_loss, weighted_mean
from genmodels.model import Batch, Curve, Metrics, Model, constant_then_linear, make_optimizer, update
from genmodels.models.fast_style import resnet, resnet_radius
from genmodels.networks.object_weighting import WeightedImages, at_size, mask_loss, on_both
from genmodels.networks.projected_discriminator import ProjectedDiscriminator
from genmodels.networks.unet_generator import UNet
from genmodels.registry import register

# Channels that are normalised next have no bias in a ResNet and in a discriminator: the norm subtracts their mean.


def build_generator(config: CycleGANConfig) -> nn.Module:
    """An initialised generator.

    Shape: images (B, C, H, W) in [-1, 1] -> the same; with attention (B, C + 1, H, W), the input of `apply_mask`.
    H and W are multiples of `config.multiple`.
    """
    channels = config.shape[0]
    outputs = channels + 1 if config.attention else channels
    network: nn.Sequential | UNet = (
        resnet(
            channels,
            config.resnet_channels,
            config.residual_blocks,
            outputs,
            transposed=config.upsample == "transposed",
        )
        if config.generator == "resnet"
        else UNet(channels, config.unet_channels, outputs, leaky_slope=config.leaky_slope)
    )
    _initialise(network, config.init_std)
    if config.attention:
        _open_mask(network.last[-2] if isinstance(network, UNet) else network[-2])
    return network


def build_discriminator(config: CycleGANConfig) -> nn.Module:
    """An initialised discriminator of images (B, C, H, W) in [-1, 1].

    patch: -> scores (B, 1, h, w), one per patch. projected: `ProjectedDiscriminator`.
    """
    if config.discriminator == "projected":
        return ProjectedDiscriminator()
    layers: list[nn.Module] = []
    sizes = [config.shape[0], *config.discriminator_channels]
    for index, (before, after) in enumerate(pairwise(sizes)):
        stride = config.discriminator_strides[index]
        layers.append(nn.Conv2d(before, after, 4, stride, 1, bias=index == 0))
        if index:
            layers.append(InstanceNorm())
        layers.append(nn.LeakyReLU(config.leaky_slope, inplace=True))
    layers.append(nn.Conv2d(sizes[-1], 1, 4, 1, 1))
    return _initialise(nn.Sequential(*layers), config.init_std)


def apply_mask(output: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """x + m (y - x) (Tang et al., arXiv 1911.11897): an image changed only where the mask is open, and the mask.

    `output` (B, C + 1, H, W) in [-1, 1] is y in its first C channels and 2m - 1 in the last; `x` is (B, C, H, W).
    Shape: (B, C, H, W) in [-1, 1] and (B, 1, H, W) in [0, 1].
    """
    content, mask = output[:, :-1].float(), 0.5 * (output[:, -1:].float() + 1)
    return x + mask * (content - x), mask


def _open_mask(last: nn.Module) -> None:
    """Initialise the mask to 0.95 everywhere: a closed mask has no gradient and would never open."""
    assert isinstance(last, nn.Conv2d)
    assert last.bias is not None
    with torch.no_grad():
        last.weight[-1].zero_()
        last.bias[-1] = 1.5  # before tanh


def _initialise(network: nn.Module, std: float | None) -> nn.Module:
    """The paper's initialisation, in place: weights N(0, std), biases 0. None keeps PyTorch's."""
    if std is not None:
        for module in network.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.normal_(module.weight, 0.0, std)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
    return network


@register("cyclegan")
class CycleGAN(Model):
    Config = CycleGANConfig
    title = "CycleGAN"
    paper = "Zhu et al. 2017, arXiv 1703.10593"
    training_only = frozenset({"discriminator_a", "discriminator_b", "pool_a", "pool_b"})
    config: CycleGANConfig

    def __init__(self, config: CycleGANConfig) -> None:
        super().__init__(config)
        self.generator_ab = build_generator(config)
        self.generator_ba = build_generator(config)
        self.discriminator_a = build_discriminator(config)
        self.discriminator_b = build_discriminator(config)
        # A replay buffer keeps no masks: earlier translations would be weighted with those of other images.
        pool_size = config.pool_size if config.discriminator == "patch" and not config.object_masks else 0
        self.pool_a = ImagePool(pool_size, config.shape)
        self.pool_b = ImagePool(pool_size, config.shape)

    def learning_rates(self) -> dict[str, float]:
        return {"generators": self.config.generator_lr, "discriminators": self.config.discriminator_lr}

    def configure_optimizers(self) -> dict[str, Optimizer]:
        rates, betas = self.learning_rates(), (self.config.beta1, 0.999)
        networks = {
            "generators": [self.generator_ab, self.generator_ba],
            "discriminators": [self.discriminator_a, self.discriminator_b],
        }
        return {
            name: make_optimizer("adam", nn.ModuleList(parts), rates[name], betas) for name, parts in networks.items()
        }

    def schedule(self, step: int, max_steps: int) -> dict[str, float]:
        factor = constant_then_linear(step, max_steps, self.config.decay_from)
        return {"generators": factor, "discriminators": factor}

    @property
    def usual_step(self) -> int:
        return self.config.warmup

    # ---------------------------------------------------------------- training

    def training_step(self, batch: Batch, optimizers: Mapping[str, Optimizer], step: int) -> Metrics:
        real_a, objects_a = self._augment(batch["image_a"], batch.get("mask_a"))  # (B, C, H, W), (B, 1, H, W) or None
        real_b, objects_b = self._augment(batch["image_b"], batch.get("mask_b"))
        a, b = WeightedImages(real_a, objects_a), WeightedImages(real_b, objects_b)
        if step < self.config.discriminator_warmup:
            with torch.no_grad():
                fake_b = self._generate(self.generator_ab, real_a)
                fake_a = self._generate(self.generator_ba, real_b)
            discriminator_loss = self._update_discriminators(a, b, fake_a, fake_b, optimizers)
            return {"loss/discriminator": 0.5 * discriminator_loss}

        discriminators = nn.ModuleList([self.discriminator_a, self.discriminator_b])
        discriminators.requires_grad_(False)  # their gradients would be computed and discarded
        fake_b, same_b, mask_a = self._translate_and_keep(self.generator_ab, real_a, real_b)  # G(a), G(b), m(a)
        fake_a, same_a, mask_b = self._translate_and_keep(self.generator_ba, real_b, real_a)  # F(b), F(a), m(b)
        metrics: Metrics = {}
        if step < self.config.generator_warmup:
            # minimise mean |G(a) - a| + mean |F(b) - b|
            kept = _l1(fake_b, real_a) + _l1(fake_a, real_b)
            loss, metrics["loss/kept"] = kept, 0.5 * kept.detach()
        else:
            # generators: minimise mean (D_B(G(a)) - 1)^2 + mean (D_A(F(b)) - 1)^2
            #                      + cycle_weight    * ( mean |F(G(a)) - a| + mean |G(F(b)) - b| )
            #                      + identity_weight * ( mean |G(b) - b|    + mean |F(a) - a|    )
            on_fake_b = self._adversarial(self.discriminator_b, WeightedImages(fake_b, objects_a))
            adversarial = on_fake_b + self._adversarial(self.discriminator_a, WeightedImages(fake_a, objects_b))
            cycle_a = _l1(self._generate(self.generator_ba, fake_b), real_a)  # mean |F(G(a)) - a|
            cycle_b = _l1(self._generate(self.generator_ab, fake_a), real_b)  # mean |G(F(b)) - b|
            loss = adversarial + self.config.cycle_weight * (cycle_a + cycle_b)
            if same_a is not None and same_b is not None:
                identity = _l1(same_b, real_b) + _l1(same_a, real_a)
                loss = loss + self.config.identity_weight * identity
                metrics["loss/identity"] = 0.5 * identity.detach()
            metrics["loss/generator"] = 0.5 * adversarial.detach()
            metrics |= {"loss/cycle_a": cycle_a.detach(), "loss/cycle_b": cycle_b.detach()}
        if mask_a is not None and mask_b is not None and objects_a is not None and objects_b is not None:
            # - mask_weight * mean ( M log m + (1 - M) log (1 - m) ) [M certain], of both domains
            outside = mask_loss(mask_a, objects_a) + mask_loss(mask_b, objects_b)
            loss = loss + self.config.mask_weight * outside
            metrics["loss/mask"] = 0.5 * outside.detach()
        update(optimizers["generators"], loss)
        discriminators.requires_grad_(True)

        discriminator_loss = self._update_discriminators(a, b, fake_a, fake_b, optimizers)
        return metrics | {"loss/total": loss.detach(), "loss/discriminator": 0.5 * discriminator_loss}

    def _update_discriminators(
        self, a: WeightedImages, b: WeightedImages, fake_a: Tensor, fake_b: Tensor, optimizers: Mapping[str, Optimizer]
    ) -> Tensor:
        # discriminators: minimise 1/2 ( mean (D_A(a) - 1)^2 + mean D_A(F(b'))^2 )
        #                        + 1/2 ( mean (D_B(b) - 1)^2 + mean D_B(G(a'))^2 )
        # A translation has its objects where its source has them.
        past_a, past_b = self.pool_a.exchange(fake_a.detach()), self.pool_b.exchange(fake_b.detach())  # F(b'), G(a')
        loss = 0.5 * (
            self._discriminator_loss(self.discriminator_a, a, WeightedImages(past_a, b.objects))
            + self._discriminator_loss(self.discriminator_b, b, WeightedImages(past_b, a.objects))
        )
        update(optimizers["discriminators"], loss)
        return loss.detach()

    def _adversarial(self, discriminator: nn.Module, fake: WeightedImages) -> Tensor:
        """mean (D(fake) - 1)^2; projected: - mean D(fake)."""
        if self.config.discriminator == "projected":
            scored = discriminator(fake.images, fake.weight)
            return torch.stack([-weighted_mean(scores, weight) for scores, weight in scored]).mean()
        scores = discriminator(fake.images)
        return least_squares_loss(scores, real=True, weight=at_size(fake.weight, scores))

    def _discriminator_loss(self, discriminator: nn.Module, real: WeightedImages, fake: WeightedImages) -> Tensor:
        """Real and translated images in one pass: instance norm keeps the images of a batch independent."""
        images = torch.cat([real.images, fake.images.to(real.images.dtype)])
        weight = None if real.weight is None or fake.weight is None else torch.cat([real.weight, fake.weight])
        if self.config.discriminator == "projected":
            losses = [on_both(hinge_loss, *part) for part in discriminator(images, weight, real=len(real.images))]
            return torch.stack(losses).mean()
        scores = discriminator(images)  # (2 B, 1, h, w)
        return on_both(least_squares_loss, scores, at_size(weight, scores))

    def _translate_and_keep(
        self, generator: nn.Module, source: Tensor, target: Tensor
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """(G(source), G(target), mask of source): the second is None if the identity loss has no weight.

        One pass for both; the mask is None without attention.
        """
        both = bool(self.config.identity_weight)
        x = torch.cat([source, target]) if both else source
        output, mask = generator(x), None
        if self.config.attention:
            output, mask = apply_mask(output, x)
            mask = mask[: len(source)]
        return output[: len(source)], output[len(source) :] if both else None, mask

    def _generate(self, generator: nn.Module, x: Tensor) -> Tensor:
        output: Tensor = generator(x)
        return apply_mask(output, x)[0] if self.config.attention else output

    def _augment(self, x: Tensor, objects: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """An image and its object mask, zoomed, cropped and flipped alike."""
        channels = x.shape[1]
        x = augment.zoomed(x if objects is None else torch.cat([x, objects], 1), self.config.zoom)
        x = augment.flip(x) if self.config.flip else x
        return (x, None) if objects is None else (x[:, :channels], x[:, channels:].clamp(0, 1))

    # ------------------------------------------------------------- translation

    @property
    def multiple(self) -> int:
        return self.config.multiple

    @property
    def receptive_radius(self) -> int:
        if self.config.generator == "resnet":
            return resnet_radius(self.config.residual_blocks)
        # Kernels of 4: two pixels at each resolution, down and up.
        return 4 * (int(2 ** len(self.config.unet_channels)) - 1)

    @property
    def preserves_background(self) -> bool:
        return self.config.attention

    def translate(self, x: Tensor, direction: Direction) -> Tensor:
        """Images of one domain (B, C, H, W) in [-1, 1] -> images of the other domain, the same shape, float32.

        Raises CapabilityError if H or W is no multiple of `multiple`.
        """
        if x.shape[2] % self.multiple or x.shape[3] % self.multiple:
            raise CapabilityError(
                f"sides must be multiples of {self.multiple}, not {x.shape[2]}x{x.shape[3]}: pad the image, "
                "as genmodels.images.tiled does"
            )
        return self._generate(self.generator_ab if direction == "a_to_b" else self.generator_ba, x).float()

    # ----------------------------------------------------------------- metrics

    def curves(self) -> dict[str, Curve]:
        return {
            "loss/total": Curve(
                "generators, all terms", "The generators' objective. It fluctuates, as in any adversarial training."
            ),
            **(_HINGE_CURVES if self.config.discriminator == "projected" else _LEAST_SQUARES_CURVES),
            **({"loss/kept": _KEPT_CURVE} if self.config.generator_warmup else {}),
            **({"loss/mask": _MASK_CURVE} if self.config.object_masks and self.config.attention else {}),
            "loss/identity": Curve(
                "identity", "Mean absolute change of images that are already in the target domain, 0 to 2.", 0.0
            ),
            "loss/cycle_a": Curve("A to B to A", "Mean absolute difference after the cycle, 0 to 2.", 0.0),
            "loss/cycle_b": Curve("B to A to B", "Mean absolute difference after the cycle, 0 to 2.", 0.0),
        }


_KEPT_CURVE = Curve("warm-up", "Mean absolute change of an image during the warm-up, 0 to 2.", 0.0)
_MASK_CURVE = Curve(
    "mask", "Cross entropy in nats of a generator's mask with the object mask where that is certain.", 0.0
)
_LEAST_SQUARES_CURVES = {
    "loss/discriminator": Curve(
        "discriminators",
        "Least-squares loss. 0.25: they cannot tell real images from translations; near 0: they always can.",
        0.25,
    ),
    "loss/generator": Curve(
        "adversarial", "0.25: translations pass for real half of the time; near 1: they are detected.", 0.25
    ),
}
_HINGE_CURVES = {
    "loss/discriminator": Curve(
        "discriminators",
        "Hinge loss. 1: they cannot tell real images from translations; near 0: they always can, by a margin.",
        1.0,
    ),
    "loss/generator": Curve("adversarial", "Minus the mean score of translations. Positive: they are detected.", 0.0),
}


def _l1(x: Tensor, y: Tensor) -> Tensor:
    """mean |x - y| in float32."""
    return F.l1_loss(x.float(), y)
