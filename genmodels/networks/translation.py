"""Generators and discriminators of `translation_settings`, all with instance norm (arXiv 1703.10593).

Channels that are normalised next get no bias: the mean is taken away again.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genmodels.layers.instance_norm import InstanceNorm
from genmodels.networks.translation_settings import TranslationNetworks


def generator(config: TranslationNetworks) -> nn.Module:
    """Images (B, C, H, W) in [-1, 1] -> the same, and with attention one channel more, for `attended`.

    Sides are multiples of `config.multiple`.
    """
    channels = (config.image_shape or (0,))[0]
    drawn = channels + 1 if config.attention else channels
    network: nn.Sequential | UNet = (
        resnet(
            channels, config.resnet_channels, config.residual_blocks, drawn, transposed=config.upsample == "transposed"
        )
        if config.generator == "resnet"
        else UNet(config, channels, drawn)
    )
    _initialised(network, config.init_std)
    if config.attention:
        last = network.last[-2] if isinstance(network, UNet) else network[-2]
        _open(last)
    return network


def attended(drawn: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """A picture x (B, C, H, W) changed only where its generator says so, and where that is (B, 1, H, W), 0 to 1.

    x + m (y - x) of Tang et al., arXiv 1911.11897: `drawn`, in [-1, 1], is y in its first C channels and 2m - 1 in its
    last.
    """
    content, mask = drawn[:, :-1].float(), 0.5 * (drawn[:, -1:].float() + 1)
    return x + mask * (content - x), mask


def _open(last: nn.Module) -> None:
    """Let a mask begin at 0.95 everywhere: where it is shut nothing is learned, and nothing opens it again."""
    assert isinstance(last, nn.Conv2d)
    assert last.bias is not None
    with torch.no_grad():
        last.weight[-1].zero_()
        last.bias[-1] = 1.5  # before tanh


def discriminator(config: TranslationNetworks) -> nn.Module:
    """Images (B, C, H, W) -> scores (B, 1, h, w), one for each patch."""
    layers: list[nn.Module] = []
    sizes = [(config.image_shape or (0,))[0], *config.discriminator_channels]
    for index, (before, after) in enumerate(pairwise(sizes)):
        stride = config.discriminator_strides[index]
        layers.append(nn.Conv2d(before, after, 4, stride, 1, bias=index == 0))
        if index:
            layers.append(InstanceNorm())
        layers.append(nn.LeakyReLU(config.leaky_slope, inplace=True))
    layers.append(nn.Conv2d(sizes[-1], 1, 4, 1, 1))
    return _initialised(nn.Sequential(*layers), config.init_std)


class ReflectionPad(nn.Module):
    """Mirrors `width` pixels at each border, in the type it is given: autocast would copy all to float32 and back."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            return F.pad(x, (self.width,) * 4, mode="reflect")


class ResidualBlock(nn.Module):
    """x + two convolutions of it (arXiv 1512.03385), with borders reflected."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *_normalised(ReflectionPad(1), nn.Conv2d(channels, channels, 3, bias=False)),
            ReflectionPad(1),
            nn.Conv2d(channels, channels, 3, bias=False),
            InstanceNorm(),
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x + self.layers(x)
        return y


def resnet(
    channels: int, width: int, blocks: int, drawn: int | None = None, *, transposed: bool = False, kernel: int = 7
) -> nn.Sequential:
    """Images (B, channels, H, W) in [-1, 1] -> (B, drawn, H, W) in [-1, 1], as many channels if nothing is said.

    The ResNet of arXiv 1603.08155; sides are multiples of 4, from 8 on.

    A first convolution of `kernel`, two halvings, residual blocks, two enlargements, a last convolution and tanh.
    """
    border = kernel // 2
    layers = _normalised(ReflectionPad(border), nn.Conv2d(channels, width, kernel, bias=False))
    for before in (width, 2 * width):
        layers += _normalised(nn.Conv2d(before, 2 * before, 3, 2, 1, bias=False))
    layers += [ResidualBlock(4 * width) for _ in range(blocks)]
    for before in (4 * width, 2 * width):
        after = before // 2
        if transposed:
            layers += _normalised(nn.ConvTranspose2d(before, after, 3, 2, 1, output_padding=1, bias=False))
        else:
            enlarge = nn.Upsample(scale_factor=2, mode="nearest")
            layers += _normalised(enlarge, ReflectionPad(1), nn.Conv2d(before, after, 3, bias=False))
    return nn.Sequential(*layers, ReflectionPad(border), nn.Conv2d(width, drawn or channels, kernel), nn.Tanh())


def _normalised(*layers: nn.Module) -> list[nn.Module]:
    return [*layers, InstanceNorm(), nn.ReLU(inplace=True)]


class UNet(nn.Module):
    """Reductions by convolutions of stride 2, then enlargements that see the map of their size from the way down."""

    def __init__(self, config: TranslationNetworks, channels: int, drawn: int) -> None:
        super().__init__()
        widths = config.unet_channels
        self.down = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(before, after, 4, 2, 1), nn.LeakyReLU(config.leaky_slope, inplace=True), InstanceNorm()
            )
            for before, after in pairwise([channels, *widths])
        )
        self.up = nn.ModuleList()
        incoming = widths[-1]
        for after in reversed(widths[:-1]):
            self.up.append(
                nn.Sequential(
                    nn.Upsample(scale_factor=2, mode="nearest"),
                    nn.ZeroPad2d((1, 2, 1, 2)),  # an even kernel has no middle: one more behind
                    nn.Conv2d(incoming, after, 4),
                    nn.ReLU(inplace=True),
                    InstanceNorm(),
                )
            )
            incoming = 2 * after  # its own, and the map from the way down
        self.last = nn.Sequential(
            nn.Upsample(scale_factor=2, mode="nearest"),
            nn.ZeroPad2d((1, 2, 1, 2)),
            nn.Conv2d(incoming, drawn, 4),
            nn.Tanh(),
        )

    def forward(self, x: Tensor) -> Tensor:
        maps = []
        for down in self.down:
            x = down(x)
            maps.append(x)
        for up, skip in zip(self.up, reversed(maps[:-1]), strict=True):
            x = torch.cat([up(x), skip], 1)
        y: Tensor = self.last(x)
        return y


def _initialised(network: nn.Module, std: float | None) -> nn.Module:
    """The paper's start: weights N(0, std), no offsets."""
    if std is not None:
        for module in network.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.normal_(module.weight, 0.0, std)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
    return network
