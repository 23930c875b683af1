"""Settings shared by the autoregressive image models. No torch here: see `config`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from genmodels.config import ModelConfig, cosine_end, live
from genmodels.networks.conditional_settings import ClassConditional


class PixelSettings(ClassConditional):
    """Quantisation of pixel values, and the learning rate."""

    levels: int = Field(
        256, ge=2, le=256, description="levels of a pixel value, evenly spaced from black to white; 2 for binary images"
    )
    quantisation: Literal["nearest", "stochastic"] = Field(
        "nearest",
        description="how a grey value becomes one of the levels: nearest, or stochastic: rounded up with a probability "
        "equal to its distance from the level below, sampled again for each batch",
    )
    lr: float = live(1e-3, gt=0, le=1, description="learning rate of Adam")
    lr_end: float = cosine_end()

    @property
    def colours(self) -> int:
        """Values per pixel: 1 (grey) or 3, sampled in the order red, green, blue."""
        return (self.image_shape or (1,))[0]

    def check_channels(self, field: str, channels: int) -> None:
        """Raises ValueError if `channels` is not a multiple of the number of colours."""
        if channels % self.colours:
            raise ValueError(
                f"model.{field} = {channels} cannot be divided among the {self.colours} colours of a pixel; "
                f"choose a multiple of {self.colours}, such as {channels + -channels % self.colours}"
            )


class GatedSettings(ModelConfig):
    """A masked convolution, one gated layer for each dilation, and 1x1 convolutions to the logits."""

    channels: int = Field(64, ge=1, le=512, description="channels of each stack, divided among a pixel's colours")
    dilations: tuple[Annotated[int, Field(ge=1, le=64)], ...] = Field(
        (1, 2, 1, 4, 1, 2, 1), min_length=1, max_length=32, description="dilation of each gated layer; 1 for none"
    )
    kernel_size: int = Field(3, ge=3, le=15, description="kernel size of the convolutions, an odd number")
    head_channels: int = Field(
        0, ge=0, le=1024, description="channels of a hidden 1x1 convolution before the levels; 0 for none"
    )

    @field_validator("kernel_size")
    @classmethod
    def _odd(cls, value: int) -> int:
        return odd_kernel(value)


def odd_kernel(value: int) -> int:
    """The kernel size if it is odd; raises ValueError if it is even."""
    if value % 2 == 0:
        raise ValueError(f"an even kernel has no middle pixel: choose {value - 1} or {value + 1}")
    return value
