"""Setting of models that can be conditioned on the class of each image. No torch here: see `config`."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from genmodels.config import ModelConfig


class ClassConditional(ModelConfig):
    """`conditional`: the condition `label`, for data with classes."""

    conditional: bool = Field(False, description="condition the network on the class of each image")

    @model_validator(mode="after")
    def _has_classes(self) -> Self:
        if self.conditional and self.num_classes is not None and self.num_classes < 1:
            raise ValueError(
                "conditional = true needs data with classes, for example --data digits; set model.conditional=false"
            )
        return self

    @property
    def conditions(self) -> dict[str, int]:
        return {"label": self.num_classes or 0} if self.conditional else {}
