"""Settings of the networks that adversarial models share, without torch; `layers/gan_networks.py` builds them."""

from __future__ import annotations

import math
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from genmodels.config import ModelConfig

Width = Annotated[int, Field(ge=1, le=8192)]
Channels = Annotated[int, Field(ge=1, le=2048)]
Stride = Annotated[int, Field(ge=1, le=4)]


class ConvNetworks(ModelConfig):
    """A generator that enlarges a small feature map to a picture, and a discriminator that shrinks one (1511.06434)."""

    latent_dim: int = Field(100, ge=1, le=1024, description="numbers the generator draws a picture from")
    generator_channels: tuple[Channels, ...] = Field(
        (256, 128, 64),
        min_length=1,
        max_length=8,
        description="channels of the first feature map, and after each layer",
    )
    generator_strides: tuple[Stride, ...] = Field(
        (1, 2, 2),
        min_length=1,
        max_length=8,
        description="enlargement by each layer of the generator, the last included",
    )
    generator_kernel: int = Field(5, ge=1, le=11, description="side of the generator's kernels")
    upsample: Literal["transposed", "nearest"] = Field(
        "transposed",
        description="how maps grow: transposed convolution, or repeated pixels and a convolution, which leaves no "
        "checkerboard",
    )
    generator_activation: Literal["relu", "leaky_relu", "gelu"] = Field(
        "relu", description="between the generator's layers"
    )
    generator_norm: Literal["batch", "none"] = Field("batch", description="between the generator's layers")
    discriminator_channels: tuple[Channels, ...] = Field(
        (64, 128), min_length=1, max_length=8, description="channels after each convolution of the discriminator"
    )
    discriminator_strides: tuple[Stride, ...] = Field(
        (2, 2), min_length=1, max_length=8, description="reduction by each convolution of the discriminator"
    )
    discriminator_kernel: int = Field(5, ge=1, le=11, description="side of the discriminator's kernels")
    discriminator_activation: Literal["leaky_relu", "gelu"] = Field(
        "leaky_relu", description="between the discriminator's layers"
    )
    discriminator_norm: Literal["batch", "spectral", "none"] = Field(
        "none",
        description="batch: after every layer but the first; spectral: bounds how steep it can be (1802.05957)",
    )
    padding: Literal["same", "none"] = Field(
        "same",
        description="same: a stride of 2 doubles or halves exactly; none: the book's, borders are lost and the last "
        "layer of the generator crops",
    )
    leaky_slope: float = Field(0.2, ge=0, lt=1, description="slope of LeakyReLU below zero")
    dropout: float = Field(0.0, ge=0, lt=1, description="share of the discriminator's hidden values dropped at random")
    init_std: float | None = Field(
        None, gt=0, le=1, description="spread of the first weights, 0.02 in the paper; empty takes PyTorch's own"
    )

    @model_validator(mode="after")
    def _layers_fit(self) -> Self:
        for part in ("generator", "discriminator"):
            channels, strides = getattr(self, f"{part}_channels"), getattr(self, f"{part}_strides")
            if len(channels) != len(strides):
                raise ValueError(
                    f"{part}_channels has {len(channels)} entries and {part}_strides {len(strides)}: give one a layer"
                )
        if self.uses_convolutions and self.upsample == "nearest" and self.padding == "none":
            raise ValueError(
                "upsample = 'nearest' with padding = 'none' would lose the borders that repeating pixels needs: take "
                "padding = 'same', or upsample = 'transposed'"
            )
        if self.uses_convolutions and self.image_shape is not None:
            start_size(self)
            _end_size(self)
        return self

    @property
    def uses_convolutions(self) -> bool:
        return True

    @property
    def fewest_normalised(self) -> int | None:
        counts = []
        if self.generator_norm == "batch":  # maps only grow from the first one
            height, width, _ = start_size(self)
            counts.append(height * width)
        if self.discriminator_norm == "batch" and len(self.discriminator_strides) > 1:  # and shrink to the last one
            counts.append(math.prod(_end_size(self)))
        return min(counts, default=None)


class EitherNetworks(ConvNetworks):
    """Both networks fully connected, or both convolutional."""

    networks: Literal["mlp", "conv"] = Field("mlp", description="fully connected or convolutional networks")
    generator_sizes: tuple[Width, ...] = Field(
        (256, 512, 1024),
        min_length=1,
        max_length=8,
        description="widths of a fully connected generator's hidden layers",
    )
    discriminator_sizes: tuple[Width, ...] = Field(
        (1024, 512, 256),
        min_length=1,
        max_length=8,
        description="widths of a fully connected discriminator's hidden layers",
    )

    @property
    def uses_convolutions(self) -> bool:
        return self.networks == "conv"

    @property
    def fewest_normalised(self) -> int | None:
        if self.uses_convolutions:
            return super().fewest_normalised
        in_discriminator = self.discriminator_norm == "batch" and len(self.discriminator_sizes) > 1
        return 1 if self.generator_norm == "batch" or in_discriminator else None


def start_size(config: ConvNetworks) -> tuple[int, int, int]:
    """Height and width of the generator's first map, and what its last layer crops on each side.

    Raises ValueError where the layers cannot make a picture of that size.
    """
    _, height, width = config.image_shape or (0, 0, 0)
    strides, kernel = config.generator_strides, config.generator_kernel
    factor = math.prod(strides)
    if config.padding == "same":
        if height % factor or width % factor:
            raise ValueError(
                f"the generator's strides {strides} enlarge by {factor}, but pictures of {height}x{width} are no "
                f"multiple of it: change generator_strides, or data.size to a multiple of {factor}"
            )
        if any(stride == 1 for stride in strides) and kernel % 2 == 0:
            raise ValueError(f"generator_kernel = {kernel}: a layer of stride 1 needs an odd kernel to keep the size")
        if kernel < max(strides):
            raise ValueError(
                f"generator_kernel = {kernel} is smaller than a stride of {max(strides)}: pixels would be missed"
            )
        return height // factor, width // factor, 0
    starts = {side: _smallest_start(side, strides, kernel) for side in (height, width)}
    if starts[height][1] != starts[width][1]:
        raise ValueError(f"padding = 'none' cannot crop {height}x{width} alike on both sides; use padding = 'same'")
    return starts[height][0], starts[width][0], starts[height][1]


def _end_size(config: ConvNetworks) -> tuple[int, int]:
    """Height and width of the discriminator's last map; raises ValueError if it shrinks an image to nothing."""
    _, height, width = config.image_shape or (0, 0, 0)
    kernel = config.discriminator_kernel
    padding = (kernel - 1) // 2 if config.padding == "same" else 0
    size = (height, width)
    for layer, stride in enumerate(config.discriminator_strides, start=1):
        size = ((size[0] + 2 * padding - kernel) // stride + 1, (size[1] + 2 * padding - kernel) // stride + 1)
        if min(size) < 1:
            raise ValueError(
                f"layer {layer} of the discriminator has nothing left of a {height}x{width} picture: take fewer "
                "discriminator_channels, or a smaller discriminator_kernel"
            )
    return size


def _smallest_start(side: int, strides: tuple[int, ...], kernel: int) -> tuple[int, int]:
    for start in range(1, side + 1):
        size = start
        for stride in strides:
            size = (size - 1) * stride + kernel
        if size >= side and (size - side) % 2 == 0 and (size - side) // 2 < kernel:
            return start, (size - side) // 2
    raise ValueError(
        f"unpadded layers with strides {strides} and kernels of {kernel} make no picture {side} wide: take another "
        "generator_kernel, fewer layers, or padding = 'same'"
    )
