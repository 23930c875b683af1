"""The losses of style transfer, as both families use them: content, style and total variation, by VGG-19's layers.

    content = sum over layers of weight * |F(x) - F(content)|^2 / |F(content)|^2
    style   = sum over layers of weight * |G(x) - G(style)|^2   / |G(style)|^2

F are activations, G their Gram matrices: which features occur together, wherever in the picture.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import torch
from torch import Tensor, nn

from genmodels.losses import gram_matrix, relative_square, total_variation
from genmodels.networks.perceptual_settings import CONTENT_LAYERS, STYLE_LAYERS, PerceptualSettings
from genmodels.networks.vgg import Features, fits

Maps = Mapping[str, Tensor]


class PerceptualLoss(nn.Module):
    """Holds the network that looks; what it is compared with is given to each call."""

    def __init__(self, config: PerceptualSettings) -> None:
        super().__init__()
        self.features = Features(config.features, config.pooling)

    def content_of(self, x: Tensor, layers: Collection[str] = CONTENT_LAYERS) -> dict[str, Tensor]:
        """Activations (B, C, h, w) of pictures in [-1, 1], without a gradient; of those layers that they fit."""
        with torch.no_grad():
            return self._maps(x, layers)

    def style_of(self, x: Tensor, layers: Collection[str] = STYLE_LAYERS) -> dict[str, Tensor]:
        """Gram matrices (B, C, C) of pictures in [-1, 1], without a gradient; of those layers that they fit."""
        with torch.no_grad():
            return {name: gram_matrix(maps) for name, maps in self._maps(x, layers).items()}

    def _maps(self, x: Tensor, layers: Collection[str]) -> dict[str, Tensor]:
        fitting = [layer for layer in layers if fits(x, layer)]
        found: dict[str, Tensor] = self.features(x, fitting) if fitting else {}
        return found

    def forward(self, x: Tensor, content: Maps, style: Maps, config: PerceptualSettings) -> dict[str, Tensor]:
        """`content`, `style` and `variation` of pictures in [-1, 1], weighted by layer but not against each other."""
        wanted = config.content_layers, config.style_layers
        zero = x.new_zeros(())
        found = {"content": zero, "style": zero, "variation": total_variation(x)}
        if any(wanted):
            maps = self.features(x, {*wanted[0], *wanted[1]})
            for name, weight in wanted[0].items():
                found["content"] = found["content"] + weight * relative_square(maps[name], content[name])
            for name, weight in wanted[1].items():
                found["style"] = found["style"] + weight * relative_square(gram_matrix(maps[name]), style[name])
        return found


def weighted(parts: Mapping[str, Tensor], config: PerceptualSettings) -> Tensor:
    """What is minimised."""
    return (
        config.content_weight * parts["content"]
        + config.style_weight * parts["style"]
        + config.tv_weight * parts["variation"]
    )
