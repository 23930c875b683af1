"""Settings of networks that turn pictures into pictures; `layers/translation_networks.py` builds them. No torch."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from genmodels.config import ModelConfig

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


def resnet_receptive_radius(blocks: int, kernel: int = 7) -> int:
    """Receptive-field radius in pixels of `networks.translation.resnet`: 87 with nine blocks."""
    # First and last convolution; 1 + 2 for the halvings; in a block two kernels of 3 at a quarter of the size; and
    # 4 + 2 where pixels are repeated before the kernel of an enlargement.
    return 2 * (kernel // 2) + 3 + 8 * blocks + 6
