"""Settings that the models share which paint a picture pixel by pixel. No torch here: see `config`."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from genmodels.config import ModelConfig, cosine_end, live


class PixelSettings(ModelConfig):
    """How a pixel's value is made a choice among levels, what a picture is conditioned on, and the learning rate."""

    levels: int = Field(
        256, ge=2, le=256, description="values a pixel can have, evenly spaced from black to white; 2 is binary"
    )
    rounding: Literal["nearest", "drawn"] = Field(
        "nearest",
        description="how a grey value between two levels becomes one of them; drawn: the upper one as probably as the "
        "value is near it, drawn again for each batch",
    )
    conditional: bool = Field(False, description="tell the network each picture's class, to be asked for it")
    lr: float = live(1e-3, gt=0, le=1, description="learning rate of Adam")
    lr_end: float = cosine_end()

    @model_validator(mode="after")
    def _there_are_classes(self) -> Self:
        if self.conditional and self.num_classes is not None and self.num_classes < 1:
            raise ValueError(
                "conditional = true needs data with classes, for example --data digits; set model.conditional=false"
            )
        return self

    @property
    def colours(self) -> int:
        """Values a pixel has, painted in this order: 1 of a grey picture, 3 (red, green, blue) of a colour one."""
        return (self.image_shape or (1,))[0]

    @property
    def conditions(self) -> dict[str, int]:
        return {"label": self.num_classes or 0} if self.conditional else {}

    def check_channels(self, field: str, channels: int) -> None:
        """Raise ValueError where `channels` cannot be divided among the colours."""
        if channels % self.colours:
            raise ValueError(
                f"model.{field} = {channels} cannot be divided among the {self.colours} colours of a pixel; "
                f"choose a multiple of {self.colours}, such as {channels + -channels % self.colours}"
            )
