"""CycleGAN: Zhu, Park, Isola and Efros, arXiv 1703.10593.

Two generators translate between two kinds of pictures of which no pairs are known: G from A to B, F from B to A. Two
discriminators judge what comes out, and a picture that is translated there and back must be the one it was.

    generators:      minimise  mean (D_B(G(a)) - 1)^2 + mean (D_A(F(b)) - 1)^2
                               + cycle_weight    * ( mean |F(G(a)) - a| + mean |G(F(b)) - b| )
                               + identity_weight * ( mean |G(b) - b|    + mean |F(a) - a|    )
    discriminators:  minimise  1/2 ( mean (D_B(b) - 1)^2 + mean D_B(G(a'))^2 )  +  the same for D_A and F(b')

G(a') and F(b') come from pools of earlier translations. The loss is that of least squares (1611.04076): scores have no
sigmoid. The rate is constant for the first part of the training and falls evenly to 0 after it. With attention a
generator draws a picture y and a mask m from 0 to 1, and G(x) = x + m (y - x): what surrounds a horse is kept
(1911.11897).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from genmodels.config import ModelConfig, live
from genmodels.errors import CapabilityError, ConfigError


Channels = Annotated[int, Field(ge=1, le=1024)]


class TranslationNetworks(ModelConfig):
    """Two generators, ResNets (1603.08155) or U-Nets (1505.04597), and two discriminators of patches (1611.07004)."""

    generator: Literal["resnet", "unet"] = Field(
        "resnet",
        description="resnet: two reductions, residual blocks, two enlargements; unet: as many reductions as "
        "unet_channels, each handed on to the enlargement of its size",
    )
    resnet_channels: Channels = Field(64, description="channels at full size; four times as many in the blocks")
    residual_blocks: int = Field(
        9, ge=1, le=24, description="residual blocks of a resnet: 6 for 128 pixels, 9 for 256 in the paper"
    )
    upsample: Literal["transposed", "nearest"] = Field(
        "transposed",
        description="how a resnet's maps grow: transposed convolution, or repeated pixels and a convolution, which "
        "leaves no checkerboard",
    )
    unet_channels: tuple[Channels, ...] = Field(
        (32, 64, 128, 256), min_length=1, max_length=8, description="channels after each reduction of a unet"
    )
    attention: bool = Field(
        False,
        description="the generators also draw where to change a picture, and the rest stays as it was given: what "
        "surrounds a horse is kept (1911.11897); take a cycle_weight of 2 or so, for changing nothing costs no cycle",
    )
    discriminator_channels: tuple[Channels, ...] = Field(
        (64, 128, 256, 512),
        min_length=1,
        max_length=8,
        description="channels after each convolution of the discriminators; all but the last halve the map",
    )
    discriminator_last_stride: Literal[1, 2] = Field(
        1, description="reduction by the last of those: 1 judges patches of 70 pixels with four layers, 2 larger ones"
    )
    leaky_slope: float = Field(0.2, ge=0, lt=1, description="slope of LeakyReLU below zero")
    init_std: float | None = Field(
        0.02, gt=0, le=1, description="spread of the first weights, 0.02 in the paper; empty takes PyTorch's own"
    )

    @property
    def multiple(self) -> int:
        """What both sides of a picture must be a multiple of: one halving a reduction."""
        return 4 if self.generator == "resnet" else 2 ** len(self.unet_channels)

    @property
    def receptive_radius(self) -> int:
        """Receptive-field radius of a generator in pixels."""
        if self.generator == "resnet":
            return resnet_receptive_radius(self.residual_blocks)
        # Two pixels of each size, on the way down and on the way up: kernels of 4.
        return 4 * (int(2 ** len(self.unet_channels)) - 1)

    @model_validator(mode="after")
    def _layers_fit(self) -> Self:
        if self.image_shape is None:
            return self
        _, height, width = self.image_shape
        if height % self.multiple or width % self.multiple:
            raise ValueError(
                f"a {self.generator} generator halves pictures {self.multiple.bit_length() - 1} times, but {height}x"
                f"{width} is no multiple of {self.multiple}: change data.size, or take fewer unet_channels"
            )
        if self.generator == "resnet" and min(height, width) < 8:
            raise ValueError(f"a resnet generator reflects 3 pixels at the border: {height}x{width} is below 8x8")
        size = min(height, width)
        for stride in self.discriminator_strides:
            size = (size - 2) // stride + 1  # kernels of 4, padding of 1
            if size < 1:
                raise ValueError(
                    f"{len(self.discriminator_channels)} discriminator_channels leave nothing of a {height}x{width} "
                    "picture: take fewer"
                )
        return self

    @property
    def discriminator_strides(self) -> tuple[int, ...]:
        """Reduction by each convolution of a discriminator, the one that judges included."""
        return (*(2 for _ in self.discriminator_channels[1:]), self.discriminator_last_stride, 1)


class CycleGANConfig(TranslationNetworks):
    """Networks of `TranslationNetworks`, the weights of the losses, and how pictures are varied."""

    batch_keys: ClassVar[tuple[str, ...]] = ("image_a", "image_b")

    cycle_weight: float = live(
        10.0, ge=0, le=1000, description="weight of the way there and back: how much of a picture must be kept"
    )
    identity_weight: float = live(
        5.0,
        ge=0,
        le=1000,
        description="weight of leaving alone what is of the wanted kind already, which keeps colours: 5 is the "
        "authors' half of cycle_weight, 1 a tenth of it, 0 saves a third of a step",
    )
    pool_size: int = Field(50, ge=0, le=1000, description="earlier translations kept for each discriminator")
    zoom: float = Field(
        286 / 256,
        ge=1,
        le=2,
        description="training pictures are enlarged by this and cut to size at random; the paper's 286 to 256",
    )
    flip: bool = Field(True, description="mirror half of the training pictures; not for digits and letters")
    discriminator_warmup: int = Field(
        0,
        ge=0,
        le=1_000_000,
        description="steps at the beginning in which the discriminators learn alone: for generators that begin with "
        "another training's weights, which discriminators that know nothing would lead astray; they count as steps of "
        "the training, also for decay_from",
    )
    beta1: float = Field(0.5, ge=0, lt=1, description="Adam's first momentum")
    generator_lr: float = live(2e-4, gt=0, le=1, description="learning rate of both generators")
    discriminator_lr: float = live(2e-4, gt=0, le=1, description="learning rate of both discriminators")
    decay_from: float = Field(
        0.5, ge=0, le=1, description="share of the training after which the rates fall evenly to 0; 1 keeps them"
    )

    def check_steps(self, max_steps: int) -> None:
        if self.discriminator_warmup >= max_steps:
            raise ConfigError(
                f"model.discriminator_warmup = {self.discriminator_warmup:,} leaves the generators none of the "
                f"{max_steps:,} steps of train.max_steps: choose fewer of those, or more of these"
            )


from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

from genmodels.capabilities import Direction
from genmodels.layers import augment
from genmodels.layers.image_pool import ImagePool
from genmodels.layers.instance_norm import InstanceNorm
from genmodels.losses import least_squares_loss
from genmodels.model import Batch, Curve, Metrics, Model, make_optimizer, update
from genmodels.models.fast_style import resnet, resnet_receptive_radius
from genmodels.registry import register


class UNet(nn.Module):
    """Reductions by convolutions of stride 2, then enlargements that see the map of their size from the way down."""

    def __init__(self, config: TranslationNetworks, channels: int, drawn: int) -> None:
        super().__init__()
        widths = config.unet_channels
        self.down = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(before, after, 4, 2, 1), nn.LeakyReLU(config.leaky_slope, inplace=True), InstanceNorm()
            )
            for before, after in pairwise([channels, *widths])
        )
        self.up = nn.ModuleList()
        incoming = widths[-1]
        for after in reversed(widths[:-1]):
            self.up.append(
                nn.Sequential(
                    nn.Upsample(scale_factor=2, mode="nearest"),
                    nn.ZeroPad2d((1, 2, 1, 2)),  # an even kernel has no middle: one more behind
                    nn.Conv2d(incoming, after, 4),
                    nn.ReLU(inplace=True),
                    InstanceNorm(),
                )
            )
            incoming = 2 * after  # its own, and the map from the way down
        self.last = nn.Sequential(
            nn.Upsample(scale_factor=2, mode="nearest"),
            nn.ZeroPad2d((1, 2, 1, 2)),
            nn.Conv2d(incoming, drawn, 4),
            nn.Tanh(),
        )

    def forward(self, x: Tensor) -> Tensor:
        maps = []
        for down in self.down:
            x = down(x)
            maps.append(x)
        for up, skip in zip(self.up, reversed(maps[:-1]), strict=True):
            x = torch.cat([up(x), skip], 1)
        y: Tensor = self.last(x)
        return y


def generator(config: TranslationNetworks) -> nn.Module:
    """Images (B, C, H, W) in [-1, 1] -> the same, and with attention one channel more, for `attended`.

    Sides are multiples of `config.multiple`.
    """
    channels = (config.image_shape or (0,))[0]
    drawn = channels + 1 if config.attention else channels
    network: nn.Sequential | UNet = (
        resnet(
            channels, config.resnet_channels, config.residual_blocks, drawn, transposed=config.upsample == "transposed"
        )
        if config.generator == "resnet"
        else UNet(config, channels, drawn)
    )
    _initialised(network, config.init_std)
    if config.attention:
        last = network.last[-2] if isinstance(network, UNet) else network[-2]
        _open(last)
    return network


def attended(drawn: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """A picture x (B, C, H, W) changed only where its generator says so, and where that is (B, 1, H, W), 0 to 1.

    x + m (y - x) of Tang et al., arXiv 1911.11897: `drawn`, in [-1, 1], is y in its first C channels and 2m - 1 in its
    last.
    """
    content, mask = drawn[:, :-1].float(), 0.5 * (drawn[:, -1:].float() + 1)
    return x + mask * (content - x), mask


def _open(last: nn.Module) -> None:
    """Let a mask begin at 0.95 everywhere: where it is shut nothing is learned, and nothing opens it again."""
    assert isinstance(last, nn.Conv2d)
    assert last.bias is not None
    with torch.no_grad():
        last.weight[-1].zero_()
        last.bias[-1] = 1.5  # before tanh


def discriminator(config: TranslationNetworks) -> nn.Module:
    """Images (B, C, H, W) -> scores (B, 1, h, w), one for each patch."""
    layers: list[nn.Module] = []
    sizes = [(config.image_shape or (0,))[0], *config.discriminator_channels]
    for index, (before, after) in enumerate(pairwise(sizes)):
        stride = config.discriminator_strides[index]
        layers.append(nn.Conv2d(before, after, 4, stride, 1, bias=index == 0))
        if index:
            layers.append(InstanceNorm())
        layers.append(nn.LeakyReLU(config.leaky_slope, inplace=True))
    layers.append(nn.Conv2d(sizes[-1], 1, 4, 1, 1))
    return _initialised(nn.Sequential(*layers), config.init_std)


def _initialised(network: nn.Module, std: float | None) -> nn.Module:
    """The paper's start: weights N(0, std), no offsets."""
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
        shape = config.image_shape or (0, 0, 0)
        self.generator_ab = generator(config)
        self.generator_ba = generator(config)
        self.discriminator_a = discriminator(config)
        self.discriminator_b = discriminator(config)
        self.pool_a = ImagePool(config.pool_size, shape)
        self.pool_b = ImagePool(config.pool_size, shape)

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

    @property
    def usual_step(self) -> int:
        return self.config.discriminator_warmup

    def schedule(self, step: int, max_steps: int) -> dict[str, float]:
        start = self.config.decay_from * max_steps
        factor = 1.0 if step <= start else max(0.0, (max_steps - step) / (max_steps - start))
        return {"generators": factor, "discriminators": factor}

    # ---------------------------------------------------------------- training

    def training_step(self, batch: Batch, optimizers: Mapping[str, Optimizer], step: int) -> Metrics:
        real_a, real_b = self._varied(batch["image_a"]), self._varied(batch["image_b"])
        discriminators = nn.ModuleList([self.discriminator_a, self.discriminator_b])
        if step < self.config.discriminator_warmup:
            with torch.no_grad():
                fake_b, fake_a = self._drawn(self.generator_ab, real_a), self._drawn(self.generator_ba, real_b)
            judged = self._judge(real_a, real_b, fake_a, fake_b, optimizers["discriminators"])
            return {"loss/discriminator": 0.5 * judged}

        # generators: with both discriminators frozen, whose gradients would be computed and thrown away
        discriminators.requires_grad_(False)
        fake_b, same_b = self._translated(self.generator_ab, real_a, real_b)
        fake_a, same_a = self._translated(self.generator_ba, real_b, real_a)
        adversarial = least_squares_loss(self.discriminator_b(fake_b), real=True) + least_squares_loss(
            self.discriminator_a(fake_a), real=True
        )
        cycle_a = _distance(self._drawn(self.generator_ba, fake_b), real_a)
        cycle_b = _distance(self._drawn(self.generator_ab, fake_a), real_b)
        loss = adversarial + self.config.cycle_weight * (cycle_a + cycle_b)
        metrics: Metrics = {}
        if same_a is not None and same_b is not None:
            identity = _distance(same_b, real_b) + _distance(same_a, real_a)
            loss = loss + self.config.identity_weight * identity
            metrics["loss/identity"] = 0.5 * identity.detach()
        update(optimizers["generators"], loss)
        discriminators.requires_grad_(True)

        judged = self._judge(real_a, real_b, fake_a, fake_b, optimizers["discriminators"])

        return metrics | {
            "loss/total": loss.detach(),
            "loss/discriminator": 0.5 * judged,
            "loss/generator": 0.5 * adversarial.detach(),
            "loss/cycle_a": cycle_a.detach(),
            "loss/cycle_b": cycle_b.detach(),
        }

    def _varied(self, x: Tensor) -> Tensor:
        x = augment.zoomed(x, self.config.zoom)
        return augment.flip(x) if self.config.flip else x

    def _translated(self, generator: nn.Module, source: Tensor, target: Tensor) -> tuple[Tensor, Tensor | None]:
        """`source` translated, and, where that counts, `target` left as it is: one pass instead of two."""
        if not self.config.identity_weight:
            return self._drawn(generator, source), None
        fake, same = self._drawn(generator, torch.cat([source, target])).chunk(2)
        return fake, same

    def _drawn(self, generator: nn.Module, x: Tensor) -> Tensor:
        drawn: Tensor = generator(x)
        return attended(drawn, x)[0] if self.config.attention else drawn

    def _judge(self, real_a: Tensor, real_b: Tensor, fake_a: Tensor, fake_b: Tensor, optimizer: Optimizer) -> Tensor:
        """Update both: real pictures and pooled translations in one batch, which instance norm keeps apart."""
        loss = 0.5 * (
            self._judged(self.discriminator_a, real_a, self.pool_a.exchange(fake_a.detach()))
            + self._judged(self.discriminator_b, real_b, self.pool_b.exchange(fake_b.detach()))
        )
        update(optimizer, loss)
        return loss.detach()

    def _judged(self, discriminator: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
        on_real, on_fake = discriminator(torch.cat([real, fake.to(real.dtype)])).chunk(2)
        return least_squares_loss(on_real, real=True) + least_squares_loss(on_fake, real=False)

    def curves(self) -> dict[str, Curve]:
        return {
            "loss/total": Curve("generators, all terms", "What the generators minimise; it wanders, as in any game."),
            "loss/discriminator": Curve(
                "discriminators", "At 0.25 they cannot tell real from translated; near 0 they win.", 0.25
            ),
            "loss/generator": Curve(
                "adversarial", "At 0.25 translations look as real as not; near 1 they are found out.", 0.25
            ),
            "loss/identity": Curve(
                "identity",
                "Mean change of what is of the wanted kind already, of 2 at most; 0 at best.",
                0.0,
            ),
            "loss/cycle_a": Curve("A to B to A", "Mean difference after the way there and back, of 2 at most.", 0.0),
            "loss/cycle_b": Curve("B to A to B", "Mean difference after the way there and back, of 2 at most.", 0.0),
        }

    # --------------------------------------------------------------- inference

    @property
    def multiple(self) -> int:
        return self.config.multiple

    @property
    def receptive_radius(self) -> int:
        return self.config.receptive_radius

    @property
    def preserves_background(self) -> bool:
        return self.config.attention

    def translate(self, x: Tensor, direction: Direction) -> Tensor:
        """Images (B, C, H, W) in [-1, 1] -> the other kind; raises CapabilityError for sides that do not fit."""
        if x.shape[2] % self.multiple or x.shape[3] % self.multiple:
            raise CapabilityError(
                f"sides must be multiples of {self.multiple}, not {x.shape[2]}x{x.shape[3]}: pad the picture, "
                "as genmodels.images.tiled does"
            )
        return self._drawn(self.generator_ab if direction == "a_to_b" else self.generator_ba, x).float()


def _distance(x: Tensor, y: Tensor) -> Tensor:
    return F.l1_loss(x.float(), y)
