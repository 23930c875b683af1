"""The scatter as a picture: for the pad to be dragged over, beside another model's, and with one digit's ellipse."""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageColor, ImageDraw, ImageFont

from genmodels.errors import ConfigError
from genmodels.images import preview
from genmodels.service.manifold import PLACE_LIMIT, Plane, Scatter, scatter

SIDE = 640
_MAPS_KEPT = 12
MARK = (214, 84, 20)
"""The colour of the visitor's own digit: no class and no axis has it."""
_RING = 18.0  # pixels
_LABELS_APART, _ROUNDS = 0.13, 100
_DENSE = 9.0  # up to here each whole number has a tick


@dataclass(frozen=True)
class _Window:
    """The square part of the plane that a picture shows."""

    centre: tuple[float, float]
    reach: float

    def place(self, x: np.ndarray | np.floating, y: np.ndarray | np.floating) -> tuple[np.ndarray, np.ndarray]:
        """Columns and rows, as fractions of pixels."""
        half = SIDE / 2
        return (
            np.asarray(((x - self.centre[0]) / self.reach + 1) * half),
            np.asarray((1 - (y - self.centre[1]) / self.reach) * half),
        )


_maps: OrderedDict[tuple[str, tuple[str, ...], str, float], tuple[Image.Image, bytes]] = OrderedDict()
_lock = threading.Lock()


def map_png(
    plane: Plane,
    colors: tuple[str, ...],
    ink: str,
    *,
    reach: float | None = None,
    z: tuple[float, float] | None = None,
    sigma: tuple[float, float] | None = None,
) -> bytes:
    """Test pictures of a model over [-reach, reach] in both directions, on a transparent ground, 640 x 640.

    `colors` are hexadecimal, one a class, used again from the first where there are more classes; `ink` is that of
    axes, names and the mark. Each class is named at its middle. With `z` a cross is drawn there, and with `sigma` the
    ellipses of one and two standard deviations around it. Raises what `scatter` raises, and ConfigError for a colour
    or a reach that is none.
    """
    found = scatter(plane)
    reach = found.reach if reach is None else reach
    if not 0 < reach <= PLACE_LIMIT:
        raise ConfigError(f"reach = {reach} is not allowed: more than 0, at most {PLACE_LIMIT:g}")
    picture, png = _map(found, colors, ink, reach)
    if z is None:
        return png
    marked = picture.copy()
    _mark(marked, _color(ink), _Window((0.0, 0.0), reach), z, sigma)
    return preview.png(marked, compress_level=1)


def zoom_png(
    plane: Plane, colors: tuple[str, ...], ink: str, z: tuple[float, float], sigma: tuple[float, float]
) -> tuple[bytes, float]:
    """The same map around one digit, near enough to see its ellipses, and how many times it is enlarged."""
    found = scatter(plane)
    if not all(np.isfinite([*z, *sigma])) or min(sigma) < 0:
        raise ConfigError(f"z = {z} and sigma = {sigma} must be finite, and sigma not below 0")
    window = _Window(z, min(found.reach, max(0.1, 3.5 * max(sigma))))
    picture = _drawn(found, [_color(color) for color in colors], _color(ink), window)
    _mark(picture, _color(ink), window, z, sigma)
    return preview.png(picture, compress_level=1), found.reach / window.reach


def _map(found: Scatter, colors: tuple[str, ...], ink: str, reach: float) -> tuple[Image.Image, bytes]:
    named = (found.key, colors, ink, reach)
    with _lock:
        if named not in _maps:
            window = _Window((0.0, 0.0), reach)
            picture = _drawn(found, [_color(color) for color in colors], _color(ink), window)
            # Kept as a file, too: under a dragged pad it is asked for ten times a second.
            _maps[named] = picture, preview.png(picture)
            while len(_maps) > _MAPS_KEPT:
                _maps.popitem(last=False)
        _maps.move_to_end(named)
        return _maps[named]


def _drawn(
    found: Scatter, colors: list[tuple[int, int, int]], ink: tuple[int, int, int], window: _Window
) -> Image.Image:
    pixels = np.zeros((SIDE, SIDE, 4), dtype=np.uint8)
    across, down = window.place(found.x, found.y)
    inside = np.flatnonzero((across >= 0) & (across < SIDE) & (down >= 0) & (down < SIDE))
    column, row = across[inside].astype(int), down[inside].astype(int)
    label = found.label[inside] if len(found.label) else np.zeros(len(inside), dtype=int)
    shade = np.array([(*color, 255) for color in colors], dtype=np.uint8)[label % len(colors)]
    # The fewer, the larger. Dots come in the set's order, which mixes the classes, so none lies on top of all.
    radius = 2 if len(inside) > 2_000 else 4
    for lower in range(-radius, radius + 1):
        for right in range(-radius, radius + 1):
            if lower**2 + right**2 <= radius**2:
                pixels[(row + lower).clip(0, SIDE - 1), (column + right).clip(0, SIDE - 1)] = shade
    picture = Image.fromarray(pixels)
    draw = ImageDraw.Draw(picture)
    middle_x, middle_y = (float(value) for value in window.place(np.float64(0), np.float64(0)))
    draw.line((0, middle_y, SIDE, middle_y), fill=(*ink, 110))
    draw.line((middle_x, 0, middle_x, SIDE), fill=(*ink, 110))
    font = ImageFont.load_default(30)
    for index, (middle_x, middle_y) in label_places(found, window.reach).items():
        x, y = (float(value) for value in window.place(np.float64(middle_x), np.float64(middle_y)))
        text = found.classes[index]
        draw.text((x, y), text, fill=ink, font=font, anchor="mm", stroke_width=4, stroke_fill=_halo(ink))
    return picture


def label_places(found: Scatter, reach: float) -> dict[int, tuple[float, float]]:
    """Where each class is named: at the median of its dots, moved apart from names that it would overprint.

    `reach` is half the side of what is shown: distances are fractions of it.
    """
    present = [index for index in range(len(found.classes)) if (found.label == index).any()]
    places = np.array([[np.median(axis[found.label == index]) for axis in (found.x, found.y)] for index in present])
    least = _LABELS_APART * reach
    for _ in range(_ROUNDS):
        moved = False
        for first in range(len(present)):
            for second in range(first):
                between = places[first] - places[second]
                distance = float(np.hypot(*between))
                if distance < least:
                    away = between / distance if distance else np.array([1.0, 0.0])
                    shift = away * (least - distance) / 2 * 1.05
                    places[first] += shift
                    places[second] -= shift
                    moved = True
        if not moved:
            break
    return {index: (float(x), float(y)) for index, (x, y) in zip(present, places, strict=True)}


def with_ticks(png: bytes, window: float, ink: str) -> bytes:
    """An image that covers [-window, window] in both directions, with whole numbers at its left and its lower edge."""
    with Image.open(io.BytesIO(png)) as opened:
        image = opened.convert("RGBA")
    side, color = image.width, _color(ink)
    band = round(side * 0.06)
    framed = Image.new("RGBA", (side + band, side + band), (0, 0, 0, 0))
    framed.paste(image, (band, 0))
    draw = ImageDraw.Draw(framed)
    font = ImageFont.load_default(round(side * 0.035))
    step = 1 if window < _DENSE else 2 if window < 2 * _DENSE else 5
    last = int(window // step) * step
    for number in range(-last, last + 1, step):
        at = min(max((number / window + 1) / 2 * side, 1), side - 2)
        text = f"{number}"
        draw.line((band + at, side, band + at, side + band * 0.2), fill=color, width=2)
        draw.line((band * 0.8, side - at, band, side - at), fill=color, width=2)
        if number > -last or last < window * 0.97:  # the two axes' first numbers would meet in the corner
            draw.text((min(band + at, side + band * 0.7), side + band * 0.6), text, fill=color, font=font, anchor="mm")
        draw.text(
            (band * 0.7, min(max(side - at, band * 0.4), side - band * 0.3)), text, fill=color, font=font, anchor="rm"
        )
    return preview.png(framed, compress_level=1)


def _mark(
    picture: Image.Image,
    ink: tuple[int, int, int],
    window: _Window,
    z: tuple[float, float],
    sigma: tuple[float, float] | None,
) -> None:
    """Two ellipses, or a point, between four lines that lead the eye to it.

    In a colour of its own, and in a ring if the ellipses are hardly larger than the dots around them.
    """
    draw = ImageDraw.Draw(picture)
    x, y = (float(value) for value in window.place(np.float64(z[0]), np.float64(z[1])))
    radii = [tuple(max(3.0, times * s / window.reach * SIDE / 2) for s in sigma or (0.0, 0.0)) for times in (1, 2)]
    if max(radii[-1]) < _RING:
        radii.append((_RING, _RING))
    wide, high = (side + 4 for side in radii[-1])
    shown = radii if sigma is not None else [radii[0], radii[-1]]
    for width, color in ((9, _halo(ink)), (4, MARK)):
        for across, down in shown:
            draw.ellipse((x - across, y - down, x + across, y + down), outline=color, width=width)
        for sign in (-1, 1):
            draw.line((x + sign * wide, y, x + sign * (wide + 24), y), fill=color, width=width)
            draw.line((x, y + sign * high, x, y + sign * (high + 24)), fill=color, width=width)


def _halo(ink: tuple[int, int, int]) -> tuple[int, int, int]:
    return (255, 255, 255) if sum(ink) < 384 else (0, 0, 0)


def _color(text: str) -> tuple[int, int, int]:
    try:
        red, green, blue = ImageColor.getrgb(text)[:3]
    except ValueError as error:
        raise ConfigError(f"{text!r} is not a colour; write it as #rrggbb") from error
    return red, green, blue
