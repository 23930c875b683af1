"""How far two pictures are apart, as a picture: dark where they agree, light where they do not."""

from __future__ import annotations

import numpy as np

# Black, violet, red, orange, pale yellow: lightness rises evenly, so it reads without colour too.
STOPS = ((6, 6, 16), (88, 28, 104), (188, 55, 84), (245, 140, 44), (252, 245, 165))


def heat_map(values: np.ndarray) -> np.ndarray:
    """(H, W), 0 to 1 and above, as colours uint8 (H, W, 3); above 1 is the lightest."""
    at = values.clip(0, 1) * (len(STOPS) - 1)
    positions = np.arange(len(STOPS))
    return np.stack([np.interp(at, positions, channel) for channel in zip(*STOPS, strict=True)], 2).astype(np.uint8)
