"""Fully connected stacks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from torch import nn

from genmodels.kernels.dropout import Dropout


def mlp(
    sizes: Sequence[int],
    activation: Callable[[], nn.Module] = nn.ReLU,
    *,
    layer_norm: bool = False,
    dropout: float = 0.0,
) -> nn.Sequential:
    """Linear layers of the given sizes, the last one bare: (B, sizes[0]) -> (B, sizes[-1]) logits.

    Between them the activation, then layer normalisation (arXiv 1607.06450) and dropout where asked for.
    """
    layers: list[nn.Module] = []
    for index, (inputs, outputs) in enumerate(pairwise(sizes)):
        layers.append(nn.Linear(inputs, outputs))
        if index < len(sizes) - 2:
            layers.append(activation())
            if layer_norm:
                layers.append(nn.LayerNorm(outputs))
            if dropout:
                layers.append(Dropout(dropout))
    return nn.Sequential(*layers)
