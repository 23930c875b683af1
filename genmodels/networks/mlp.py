"""Fully connected networks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import nn

from genmodels.networks.gan_settings import EitherNetworks


def mlp(
    sizes: Sequence[int],
    make_activation: Callable[[], nn.Module] = nn.ReLU,
    *,
    layer_norm: bool = False,
    dropout: float = 0.0,
) -> nn.Sequential:
    """Linear layers of the given sizes, without output activation: (B, sizes[0]) -> (B, sizes[-1]) logits.

    After each hidden layer an activation, then optional layer normalisation (arXiv 1607.06450) and dropout.
    """
    layers: list[nn.Module] = []
    for index, (inputs, outputs) in enumerate(pairwise(sizes)):
        layers.append(nn.Linear(inputs, outputs))
        if index < len(sizes) - 2:
            layers.append(make_activation())
            if layer_norm:
                layers.append(nn.LayerNorm(outputs))
            if dropout:
                layers.append(nn.Dropout(dropout))
    return nn.Sequential(*layers)


def mlp_generator(config: EitherNetworks, inputs: int) -> nn.Sequential:
    """(B, inputs) -> images (B, C, H, W) in [-1, 1]."""
    layers: list[nn.Module] = []
    for before, after in pairwise([inputs, *config.generator_sizes]):
        layers.append(nn.Linear(before, after))
        if config.generator_norm == "batch":
            layers.append(nn.BatchNorm1d(after))
        layers.append(activation(config.generator_activation, config.leaky_slope))
    pixels = torch.Size(config.shape).numel()
    layers += [nn.Linear(config.generator_sizes[-1], pixels), nn.Tanh(), nn.Unflatten(1, config.shape)]
    return nn.Sequential(*layers)


def mlp_discriminator(config: EitherNetworks, inputs: int, last_bias: bool) -> nn.Sequential:
    """(B, inputs), or images of so many values -> logits (B, 1)."""
    sizes = [inputs, *config.discriminator_sizes]
    layers: list[nn.Module] = [nn.Flatten()]
    for index, (before, after) in enumerate(pairwise(sizes)):
        layers.append(nn.Linear(before, after))
        if config.discriminator_norm == "batch" and index:
            layers.append(nn.BatchNorm1d(after))
        layers.append(activation(config.discriminator_activation, config.leaky_slope))
        if config.dropout:
            layers.append(nn.Dropout(config.dropout))
    return nn.Sequential(*layers, nn.Linear(sizes[-1], 1, bias=last_bias))


def activation(name: str, leaky_slope: float) -> nn.Module:
    """Returns the activation called `name` in the settings."""
    return nn.LeakyReLU(leaky_slope) if name == "leaky_relu" else {"relu": nn.ReLU, "gelu": nn.GELU}[name]()
