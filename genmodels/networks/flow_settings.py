"""Settings of the U-Net of a flow and of its optimizer. No torch here: see `config`."""

from __future__ import annotations

import math
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from genmodels.config import cosine_end, live
from genmodels.networks.conditional_settings import ClassConditional

OdeSolver = Literal["euler", "midpoint", "heun"]
Solver = Literal["average", OdeSolver]
"""`average` steps by the average velocity of the interval, which only mean flow learns."""
ODE_SOLVERS: tuple[OdeSolver, ...] = ("euler", "midpoint", "heun")


class FlowSettings(ClassConditional):
    """A U-Net on patches, conditioned on time and class, its training times, and AdamW."""

    patch_size: Literal[1, 2, 4] = Field(
        2, description="side of the patches in pixels; each becomes one position of the network"
    )
    channels: tuple[Annotated[int, Field(ge=8, le=1024)], ...] = Field(
        (64, 128), min_length=1, max_length=5, description="channels of each resolution, the highest resolution first"
    )
    blocks: int = Field(2, ge=1, le=8, description="residual blocks per resolution, on the way down and on the way up")
    embedding_dim: int = Field(128, ge=8, le=2048, description="dimension of the embedding of time and class")
    condition_dropout: float = Field(
        0.1, ge=0, lt=1, description="fraction of training images without their class; guidance needs more than 0"
    )
    times: Literal["logit_normal", "uniform"] = Field(
        "logit_normal", description="distribution of the training times; logit-normal prefers the middle of the path"
    )
    lr: float = live(2e-3, gt=0, le=1, description="learning rate of AdamW")
    lr_end: float = cosine_end()
    weight_decay: float = Field(0.01, ge=0, le=1, description="decoupled weight decay of AdamW")

    @model_validator(mode="after")
    def _fits_the_data(self) -> Self:
        multiple = self.patch_size * 2 ** (len(self.channels) - 1)
        if self.image_shape is not None and any(side % multiple for side in self.image_shape[1:]):
            height, width = self.image_shape[1:]
            raise ValueError(
                f"images of {height}x{width} do not fit patches of {self.patch_size} pixels at {len(self.channels)} "
                f"resolutions: both sides must be multiples of {multiple}; choose a smaller patch_size, fewer "
                "channels, or another data.size"
            )
        return self

    @property
    def learns_without_class(self) -> bool:
        """Whether the class is dropped for some training images, so that there is an unconditional velocity."""
        return self.conditional and self.condition_dropout > 0

    @property
    def latent_size(self) -> int | None:
        return None if self.image_shape is None else math.prod(self.image_shape)
