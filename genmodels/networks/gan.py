"""Generators and discriminators of `gan_settings`, fully connected and convolutional (arXiv 1511.06434)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise

import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from genmodels.kernels.convolution import Conv2d, ConvTranspose2d, ToMaps
from genmodels.kernels.dropout import Dropout
from genmodels.networks.gan_settings import ConvNetworks, EitherNetworks, start_size


def generator(config: ConvNetworks, inputs: int) -> nn.Sequential:
    """(B, inputs) -> images (B, C, H, W) in [-1, 1]."""
    if isinstance(config, EitherNetworks) and not config.uses_convolutions:
        return _mlp_generator(config, inputs)
    return _conv_generator(config, inputs)


def discriminator(config: ConvNetworks, channels: int, *, beside: int = 0, last_bias: bool = True) -> nn.Sequential:
    """Images (B, channels, H, W) -> logits (B, 1).

    What a label adds is `beside` the picture: further planes (B, channels + beside, H, W) before convolutions, further
    numbers (B, channels * H * W + beside) before a fully connected layer. A critic has no `last_bias`: only differences
    of its scores count, so it would never learn.
    """
    if isinstance(config, EitherNetworks) and not config.uses_convolutions:
        return _mlp_discriminator(config, channels, beside, last_bias)
    return _conv_discriminator(config, channels + beside, last_bias)


def _mlp_generator(config: EitherNetworks, inputs: int) -> nn.Sequential:
    shape = config.image_shape or (0, 0, 0)
    layers: list[nn.Module] = []
    for before, after in pairwise([inputs, *config.generator_sizes]):
        layers.append(nn.Linear(before, after))
        if config.generator_norm == "batch":
            layers.append(nn.BatchNorm1d(after))
        layers.append(_activation(config.generator_activation, config.leaky_slope)())
    layers += [nn.Linear(config.generator_sizes[-1], torch.Size(shape).numel()), nn.Tanh(), nn.Unflatten(1, shape)]
    return _initialised(nn.Sequential(*layers), config.init_std)


def _mlp_discriminator(config: EitherNetworks, channels: int, beside: int, last_bias: bool) -> nn.Sequential:
    _, height, width = config.image_shape or (0, 0, 0)
    layers: list[nn.Module] = [nn.Flatten()]
    sizes = [channels * height * width + beside, *config.discriminator_sizes]
    for index, (before, after) in enumerate(pairwise(sizes)):
        layers.append(nn.Linear(before, after))
        if config.discriminator_norm == "batch" and index:
            layers.append(nn.BatchNorm1d(after))
        layers.append(_activation(config.discriminator_activation, config.leaky_slope)())
        if config.dropout:
            layers.append(Dropout(config.dropout))
    layers.append(nn.Linear(sizes[-1], 1, bias=last_bias))
    return _bounded(_initialised(nn.Sequential(*layers), config.init_std), config)


def _conv_generator(config: ConvNetworks, inputs: int) -> nn.Sequential:
    picture_channels = (config.image_shape or (0, 0, 0))[0]
    height, width, crop = start_size(config)
    activation = _activation(config.generator_activation, config.leaky_slope)
    first = config.generator_channels[0]
    normalised = config.generator_norm == "batch"
    layers: list[nn.Module] = [
        nn.Linear(inputs, first * height * width, bias=not normalised),
        ToMaps(1, (first, height, width)),
    ]
    channels = [*config.generator_channels, picture_channels]
    for index, stride in enumerate(config.generator_strides):
        before, after = channels[index], channels[index + 1]
        if normalised:
            layers.append(nn.BatchNorm2d(before))
        layers.append(activation())
        last = index == len(config.generator_strides) - 1
        layers += _growing(config, before, after, stride, bias=last or not normalised, crop=crop if last else 0)
    return _initialised(nn.Sequential(*layers, nn.Tanh()), config.init_std)


def _growing(config: ConvNetworks, before: int, after: int, stride: int, *, bias: bool, crop: int) -> list[nn.Module]:
    """One layer that enlarges a map `stride` times."""
    kernel = config.generator_kernel
    if config.upsample == "nearest":
        convolution = Conv2d(before, after, kernel, padding="same", bias=bias)
        return [nn.Upsample(scale_factor=stride, mode="nearest"), convolution] if stride > 1 else [convolution]
    if config.padding == "none":
        return [ConvTranspose2d(before, after, kernel, stride, crop, bias=bias)]
    # (n - 1) s - 2p + k + extra = n s, so 2p = k - s + extra
    extra = (kernel - stride) % 2
    return [ConvTranspose2d(before, after, kernel, stride, (kernel - stride + extra) // 2, extra, bias=bias)]


def _conv_discriminator(config: ConvNetworks, channels: int, last_bias: bool) -> nn.Sequential:
    _, height, width = config.image_shape or (0, 0, 0)
    kernel = config.discriminator_kernel
    padding = (kernel - 1) // 2 if config.padding == "same" else 0
    layers: list[nn.Module] = []
    before = channels
    for index, (after, stride) in enumerate(
        zip(config.discriminator_channels, config.discriminator_strides, strict=True)
    ):
        normalised = config.discriminator_norm == "batch" and index > 0
        layers.append(Conv2d(before, after, kernel, stride, padding, bias=not normalised))
        if normalised:
            layers.append(nn.BatchNorm2d(after))
        layers.append(_activation(config.discriminator_activation, config.leaky_slope)())
        if config.dropout:
            layers.append(Dropout(config.dropout))
        height, width = ((side + 2 * padding - kernel) // stride + 1 for side in (height, width))
        before = after
    layers += [nn.Flatten(), nn.Linear(before * height * width, 1, bias=last_bias)]
    return _bounded(_initialised(nn.Sequential(*layers), config.init_std), config)


def _activation(name: str, slope: float) -> Callable[[], nn.Module]:
    if name == "leaky_relu":
        return partial(nn.LeakyReLU, slope)
    return {"relu": nn.ReLU, "gelu": nn.GELU}[name]


def _bounded(network: nn.Sequential, config: ConvNetworks) -> nn.Sequential:
    """With each layer's steepness bounded where that is asked for.

    Last of all: a layer's `weight` is from then on computed from another tensor, so that setting it does nothing.
    """
    if config.discriminator_norm == "spectral":
        for module in network:
            if isinstance(module, nn.Conv2d | nn.Linear):
                spectral_norm(module)
    return network


def _initialised(network: nn.Sequential, std: float | None) -> nn.Sequential:
    """The paper's start: weights N(0, std), scales of normalisation N(1, std)."""
    if std is not None:
        for module in network.modules():
            weight = getattr(module, "weight", None)
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                nn.init.normal_(module.weight, 1.0, std)
            elif isinstance(weight, torch.Tensor) and weight.dim() > 1:
                nn.init.normal_(weight, 0.0, std)
    return network
