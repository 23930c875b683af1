"""Discriminator on frozen features: Sauer et al., Projected GANs Converge Faster, arXiv 2111.01007.

A PatchGAN takes hours to learn what stripes are; VGG-19, trained on ImageNet, knows. Its activations at three depths
are normalised per channel, and one small spectrally normalised head per depth scores each position. Both real and
generated images are augmented (DiffAugment, arXiv 2006.10738), so that the heads do not memorise a small set.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from genmodels.layers import augment
from genmodels.networks.object_weighting import at_size
from genmodels.networks.vgg import Features

LAYERS = {"relu2_2": 128, "relu3_2": 256, "relu4_2": 512}
"""Layers of VGG-19 with their channels, at 1/2, 1/4 and 1/8 of the resolution."""
_OBSERVED = 64
"""Real images from which the mean and deviation of each channel are computed."""
_FLOOR = 0.2
"""Smallest deviation of a channel as a fraction of the layer's mean deviation."""
_COLOUR = 0.5
"""Strength of the colour augmentation."""


class ProjectedDiscriminator(nn.Module):
    """Images (B, C, H, W) in [-1, 1] -> scores by layer, each (B, 1, h, w). VGG is neither trained nor saved.

    With a weight per pixel (B, 1, H, W), each layer's scores come with weights (B, 1, h, w): the same translation, and
    the mean of each cell; else with None.
    """

    def __init__(self) -> None:
        super().__init__()
        self.features = Features()
        self.heads = nn.ModuleDict({layer: _head(layer) for layer in LAYERS})
        self.observed = 0
        for layer, channels in LAYERS.items():
            self.register_buffer(f"mean_{layer}", torch.zeros(channels))
            self.register_buffer(f"square_{layer}", torch.zeros(channels))

    def forward(self, x: Tensor, weight: Tensor | None = None, real: int = 0) -> list[tuple[Tensor, Tensor | None]]:
        """The first `real` images are real: until 64 have been seen, they update the statistics of the channels."""
        x = augment.colour(x.float(), strength=_COLOUR)
        channels = x.shape[1]
        x = augment.translate(x if weight is None else torch.cat([x, weight], 1))
        if weight is not None:
            x, weight = x[:, :channels], x[:, channels:]
        activations = self.features(x, LAYERS)
        if real and self.observed < _OBSERVED:
            self._observe(activations, real)
        scores = [head(self._normalised(activations[layer], layer)) for layer, head in self.heads.items()]
        return [(part, at_size(weight, part)) for part in scores]

    @torch.no_grad()
    def _observe(self, activations: dict[str, Tensor], count: int) -> None:
        """Continue the means of each channel and of its square over the first `count` images."""
        self.observed += count
        weight = count / self.observed
        for layer in LAYERS:
            values = activations[layer][:count].float()
            self.get_buffer(f"mean_{layer}").lerp_(values.mean((0, 2, 3)), weight)
            self.get_buffer(f"square_{layer}").lerp_(values.square().mean((0, 2, 3)), weight)

    def _normalised(self, values: Tensor, layer: str) -> Tensor:
        if self.observed:
            mean, square = self.get_buffer(f"mean_{layer}"), self.get_buffer(f"square_{layer}")
        else:  # translations before the first real image: their own statistics
            constant = values.detach().float()
            mean, square = constant.mean((0, 2, 3)), constant.square().mean((0, 2, 3))
        deviation = (square - mean.square()).clamp_min(0).sqrt()
        # A channel that the first images hardly activate would dominate once another one does.
        deviation = deviation.clamp_min(_FLOOR * float(deviation.mean()) + 1e-6)
        shape = (1, -1, 1, 1)
        return (values - mean.view(shape).to(values.dtype)) / deviation.view(shape).to(values.dtype)

    def get_extra_state(self) -> Tensor:
        """The number of observed images; not a buffer, because it is read at each step."""
        return torch.tensor(self.observed)

    def set_extra_state(self, state: Tensor) -> None:
        self.observed = int(state)


def _head(layer: str) -> nn.Sequential:
    """Activations (B, channels, h, w) of a layer -> scores (B, 1, h', w'); half the resolution except at relu4_2."""
    stride, kernel = (1, 3) if layer == "relu4_2" else (2, 4)
    convolutions = [
        nn.Conv2d(LAYERS[layer], 64, 1),
        nn.Conv2d(64, 128, kernel, stride, 1),
        nn.Conv2d(128, 128, 3, padding=1),
        nn.Conv2d(128, 1, 3, padding=1),
    ]
    layers: list[nn.Module] = []
    for convolution in convolutions:
        layers += [spectral_norm(convolution), nn.LeakyReLU(0.2, inplace=True)]
    return nn.Sequential(*layers[:-1])
