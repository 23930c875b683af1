"""Settings that GANs share, without torch; `models/dcgan.py` and `networks/mlp.py` build the networks."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from genmodels.config import ModelConfig

Width = Annotated[int, Field(ge=1, le=8192)]
Channels = Annotated[int, Field(ge=1, le=2048)]
Stride = Annotated[int, Field(ge=1, le=4)]


def joint_or_separate() -> Any:
    """Returns the field `discriminator_updates`."""
    return Field(
        "joint",
        description="joint: one optimizer step per batch for the summed loss of real and generated images; separate: "
        "one step for real images, then one for generated ones",
    )


class ConvNetworks(ModelConfig):
    """A generator that upsamples a small feature map to an image, and a discriminator that downsamples an image."""

    latent_dim: int = Field(100, ge=1, le=1024, description="dimension of the latent vector z")
    generator_channels: tuple[Channels, ...] = Field(
        (256, 128, 64),
        min_length=1,
        max_length=8,
        description="channels of the first feature map and after each layer but the last",
    )
    generator_strides: tuple[Stride, ...] = Field(
        (1, 2, 2), min_length=1, max_length=8, description="upsampling stride of each generator layer"
    )
    generator_kernel: int = Field(5, ge=1, le=11, description="kernel size of the generator")
    upsample: Literal["transposed", "nearest"] = Field(
        "transposed",
        description="upsampling: transposed convolution, or nearest-neighbour upsampling followed by a convolution, "
        "which has no checkerboard artefacts",
    )
    generator_activation: Literal["relu", "leaky_relu", "gelu"] = Field(
        "relu", description="activation of the generator's hidden layers"
    )
    generator_norm: Literal["batch", "none"] = Field(
        "batch", description="normalisation of the generator's hidden layers"
    )
    discriminator_channels: tuple[Channels, ...] = Field(
        (64, 128), min_length=1, max_length=8, description="channels after each convolution of the discriminator"
    )
    discriminator_strides: tuple[Stride, ...] = Field(
        (2, 2), min_length=1, max_length=8, description="stride of each discriminator convolution"
    )
    discriminator_kernel: int = Field(5, ge=1, le=11, description="kernel size of the discriminator")
    discriminator_activation: Literal["leaky_relu", "gelu"] = Field(
        "leaky_relu", description="activation of the discriminator's hidden layers"
    )
    discriminator_norm: Literal["batch", "spectral", "none"] = Field(
        "none",
        description="normalisation of the discriminator; batch: of every layer but the first; spectral: bounds the "
        "Lipschitz constant of each layer (1802.05957)",
    )
    padding: Literal["same", "none"] = Field(
        "same",
        description="same: a stride of 2 doubles or halves exactly; none: borders are lost, and the generator's last "
        "layer crops",
    )
    leaky_slope: float = Field(0.2, ge=0, lt=1, description="slope of LeakyReLU for negative inputs")
    dropout: float = Field(0.0, ge=0, lt=1, description="dropout rate in the discriminator")
    init_std: float | None = Field(
        None,
        gt=0,
        le=1,
        description="standard deviation of the initial weights, 0.02 in the paper; empty: PyTorch's default",
    )

    @model_validator(mode="after")
    def _layers_fit(self) -> Self:
        for part in ("generator", "discriminator"):
            channels, strides = getattr(self, f"{part}_channels"), getattr(self, f"{part}_strides")
            if len(channels) != len(strides):
                raise ValueError(
                    f"{part}_channels has {len(channels)} entries and {part}_strides {len(strides)}: give one per layer"
                )
        if self.uses_convolutions and self.upsample == "nearest" and self.padding == "none":
            raise ValueError(
                "upsample = 'nearest' with padding = 'none' would lose the borders of the upsampled maps: take "
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
        if self.generator_norm == "batch":  # the first map is the smallest
            height, width, _ = start_size(self)
            counts.append(height * width)
        if self.discriminator_norm == "batch" and len(self.discriminator_strides) > 1:  # the last map is the smallest
            counts.append(math.prod(_end_size(self)))
        return min(counts, default=None)


class EitherNetworks(ConvNetworks):
    """Fully connected or convolutional networks, the same for both."""

    networks: Literal["mlp", "conv"] = Field(
        "mlp", description="mlp: fully connected networks; conv: convolutional networks"
    )
    generator_sizes: tuple[Width, ...] = Field(
        (256, 512, 1024),
        min_length=1,
        max_length=8,
        description="widths of the hidden layers of a fully connected generator",
    )
    discriminator_sizes: tuple[Width, ...] = Field(
        (1024, 512, 256),
        min_length=1,
        max_length=8,
        description="widths of the hidden layers of a fully connected discriminator",
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
    """Returns height and width of the generator's first map, and how much its last layer crops on each side.

    Raises ValueError if the layers cannot generate images of that size.
    """
    _, height, width = config.shape
    strides, kernel = config.generator_strides, config.generator_kernel
    factor = math.prod(strides)
    if config.padding == "same":
        if height % factor or width % factor:
            raise ValueError(
                f"the generator's strides {strides} upsample by {factor}, but images of {height}x{width} are no "
                f"multiple of it: change generator_strides, or data.size to a multiple of {factor}"
            )
        if any(stride == 1 for stride in strides) and kernel % 2 == 0:
            raise ValueError(f"generator_kernel = {kernel}: a layer of stride 1 needs an odd kernel to keep the size")
        if kernel < max(strides):
            raise ValueError(
                f"generator_kernel = {kernel} is smaller than a stride of {max(strides)}: pixels without input"
            )
        return height // factor, width // factor, 0
    first_height, crop = _smallest_start(height, strides, kernel)
    first_width, crop_width = _smallest_start(width, strides, kernel)
    if crop != crop_width:
        raise ValueError(
            f"padding = 'none' cannot crop height and width of {height}x{width} equally; use padding = 'same'"
        )
    return first_height, first_width, crop


def _end_size(config: ConvNetworks) -> tuple[int, int]:
    """Returns height and width of the discriminator's last map; raises ValueError if nothing is left of an image."""
    _, height, width = config.shape
    kernel = config.discriminator_kernel
    padding = (kernel - 1) // 2 if config.padding == "same" else 0
    size = (height, width)
    for layer, stride in enumerate(config.discriminator_strides, start=1):
        size = ((size[0] + 2 * padding - kernel) // stride + 1, (size[1] + 2 * padding - kernel) // stride + 1)
        if min(size) < 1:
            raise ValueError(
                f"layer {layer} of the discriminator has nothing left of a {height}x{width} image: take fewer "
                "discriminator_channels, or a smaller discriminator_kernel"
            )
    return size


def _smallest_start(side: int, strides: tuple[int, ...], kernel: int) -> tuple[int, int]:
    """Returns the smallest first map that unpadded layers upsample to at least `side`, and the crop to `side`."""
    for start in range(1, side + 1):
        size = start
        for stride in strides:
            size = (size - 1) * stride + kernel
        if size >= side and (size - side) % 2 == 0 and (size - side) // 2 < kernel:
            return start, (size - side) // 2
    raise ValueError(
        f"unpadded layers with strides {strides} and kernels of {kernel} cannot generate {side} pixels: take another "
        "generator_kernel, fewer layers, or padding = 'same'"
    )
