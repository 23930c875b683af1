"""A photograph of any size painted at once, by a network that has one style: padded, tiled, in the faster format."""

from __future__ import annotations

import numpy as np

from genmodels.images.tiled import TILE, Precision, Progress, translate_image
from genmodels.model import Model


def stylize_image(
    model: Model,
    picture: np.ndarray,
    *,
    max_side: int | None = None,
    tile: int = TILE,
    precision: Precision = "auto",
    on_progress: Progress | None = None,
) -> np.ndarray:
    """`picture`, uint8 (H, W, 3) or with transparency (H, W, 4), painted: the same shape, uint8.

    Above `max_side` pixels it is painted reduced and enlarged again: strokes have the size they had in training, so on
    a large photograph they are small. Further as `translation.translate_image`, whose "stylize" this is. Raises
    CapabilityError, ConfigError or DataError.
    """
    return translate_image(
        model, picture, "stylize", max_side=max_side, tile=tile, precision=precision, on_progress=on_progress
    )
