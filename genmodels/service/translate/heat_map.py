"""Difference of two images as a heat map: dark where they agree, light where they differ."""

from __future__ import annotations

import numpy as np

# Black, violet, red, orange, pale yellow: lightness rises evenly, so the map reads without colour, too.
STOPS = ((6, 6, 16), (88, 28, 104), (188, 55, 84), (245, 140, 44), (252, 245, 165))


def to_colours(values: np.ndarray) -> np.ndarray:
    """Colours uint8 (H, W, 3) of values (H, W) in [0, 1]; values above 1 get the lightest colour."""
    scaled = values.clip(0, 1) * (len(STOPS) - 1)
    positions = np.arange(len(STOPS))
    return np.stack([np.interp(scaled, positions, channel) for channel in zip(*STOPS, strict=True)], 2).astype(np.uint8)
