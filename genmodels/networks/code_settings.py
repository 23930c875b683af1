"""Settings shared by VQ-VAE and by the priors over its codes. No torch here: see `config`."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from genmodels.config import ModelConfig


class CodeSettings(ModelConfig):
    """Encoder, codebook and decoder: a grid of codes, each the index of a vector of the codebook."""

    codes: int = Field(128, ge=2, le=4096, description="number of vectors in the codebook")
    code_dim: int = Field(32, ge=1, le=512, description="dimension of a codebook vector")
    downsamplings: int = Field(
        2,
        ge=1,
        le=5,
        description="strided convolutions of the encoder, which halve the grid: 2 give 7x7 codes",
    )
    hidden_channels: int = Field(64, ge=4, le=512, description="channels of encoder and decoder")
    residual_blocks: int = Field(2, ge=0, le=16, description="residual blocks of the encoder, and of the decoder")
    residual_channels: int = Field(32, ge=1, le=512, description="channels inside a residual block")
    likelihood: Literal["bernoulli", "gaussian"] = Field(
        "bernoulli",
        description="p(x|z), thus the reconstruction loss: bernoulli is the binary cross entropy, for digits; gaussian "
        "the squared error, for photographs",
    )

    @model_validator(mode="after")
    def _grid_fits(self) -> Self:
        multiple = 2**self.downsamplings
        if self.image_shape is not None and any(side % multiple for side in self.image_shape[1:]):
            height, width = self.image_shape[1:]
            raise ValueError(
                f"images of {height}x{width} do not fit {self.downsamplings} downsamplings: both sides must be "
                f"multiples of {multiple}; choose fewer downsamplings, or another data.size"
            )
        return self

    @property
    def code_shape(self) -> tuple[int, int]:
        """Height and width of the grid of codes."""
        _, height, width = self.shape
        return height >> self.downsamplings, width >> self.downsamplings
