"""The colours of charts: distinguishable with and without colour blindness, and from the background."""

from __future__ import annotations

import itertools
import tomllib

import numpy as np
import numpy.typing as npt
import pytest

from tests.support.browser import ROOT

Color = npt.NDArray[np.float64]

# Linear sRGB as seen without one kind of cone: Machado, Oliveira, Fernandes 2009, severity 1.
_VISIONS = {
    "all cones": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}
_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
_WHITE = np.array([0.9505, 1.0, 1.089])
_DIFFERENT = 15  # of CIE 1976; about 2 is just noticeable side by side
_CONTRAST = 3  # of graphics, WCAG 1.4.11


def _linear(color: str) -> Color:
    value = np.array([int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)])
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def _lab(linear: Color) -> Color:
    relative = _XYZ @ np.clip(linear, 0, 1) / _WHITE
    x, y, z = np.where(relative > 0.008856, np.cbrt(relative), 7.787 * relative + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def _contrast(one: str, other: str) -> float:
    low, high = sorted(float(_linear(color) @ _XYZ[1]) for color in (one, other))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_colours_of_charts_are_distinguishable(theme: str) -> None:
    settings = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())["theme"][theme]
    colors = settings["chartCategoricalColors"]
    assert len(colors) == 10
    too_near = [
        (one, other, name)
        for name, vision in _VISIONS.items()
        for one, other in itertools.combinations(colors, 2)
        if np.linalg.norm(_lab(vision @ _linear(one)) - _lab(vision @ _linear(other))) < _DIFFERENT
    ]
    assert not too_near
    assert all(_contrast(color, settings["backgroundColor"]) >= _CONTRAST for color in colors)
