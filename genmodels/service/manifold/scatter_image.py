"""The scatter plot as an image: background of the pad, comparison with another model, and one digit's posterior."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageColor, ImageDraw, ImageFont

from genmodels.errors import ConfigError
from genmodels.images import preview
from genmodels.service.cache import LRU
from genmodels.service.manifold import PLACE_LIMIT, Plane, Scatter, scatter

SIDE = 640
MARK = (214, 84, 20)
"""The colour of the visitor's own digit; no class and no axis has it."""
_RING = 18.0  # pixels
_LABELS_APART, _ROUNDS = 0.13, 100
_DENSE = 9.0  # up to this window every integer has a tick


@dataclass(frozen=True)
class _Window:
    """The square of the plane that an image shows: `centre` plus and minus `extent`."""

    centre: tuple[float, float]
    extent: float

    def place(self, x: np.ndarray | np.floating, y: np.ndarray | np.floating) -> tuple[np.ndarray, np.ndarray]:
        """Columns and rows in fractional pixels."""
        half = SIDE / 2
        return (
            np.asarray(((x - self.centre[0]) / self.extent + 1) * half),
            np.asarray((1 - (y - self.centre[1]) / self.extent) * half),
        )


_maps: LRU[tuple[str, tuple[str, ...], str, float], tuple[Image.Image, bytes]] = LRU(12)


def map_png(
    plane: Plane,
    colors: tuple[str, ...],
    ink: str,
    *,
    extent: float | None = None,
    z: tuple[float, float] | None = None,
    sigma: tuple[float, float] | None = None,
) -> bytes:
    """The codes of a model's test images over [-extent, extent] in both directions, transparent background, 640 x 640.

    `colors` are hexadecimal, one per class, repeated if there are more classes; `ink` is the colour of axes and class
    names. Every class is named at its median. `z` marks a point, `sigma` adds the ellipses of one and two standard
    deviations. Raises what `scatter` raises, and ConfigError for an invalid colour or extent.
    """
    codes = scatter(plane)
    extent = codes.extent if extent is None else extent
    if not 0 < extent <= PLACE_LIMIT:
        raise ConfigError(f"extent = {extent} is not allowed: more than 0, at most {PLACE_LIMIT:g}")
    image, png = _map(codes, colors, ink, extent)
    if z is None:
        return png
    marked = image.copy()
    _mark(marked, _color(ink), _Window((0.0, 0.0), extent), z, sigma)
    return preview.png(marked, compress_level=1)


def zoom_png(
    plane: Plane, colors: tuple[str, ...], ink: str, z: tuple[float, float], sigma: tuple[float, float]
) -> tuple[bytes, float]:
    """The same map around one digit, with its ellipses, and the zoom factor."""
    codes = scatter(plane)
    if not all(np.isfinite([*z, *sigma])) or min(sigma) < 0:
        raise ConfigError(f"z = {z} and sigma = {sigma} must be finite, and sigma not below 0")
    window = _Window(z, min(codes.extent, max(0.1, 3.5 * max(sigma))))
    image = _plot(codes, [_color(color) for color in colors], _color(ink), window)
    _mark(image, _color(ink), window, z, sigma)
    return preview.png(image, compress_level=1), codes.extent / window.extent


def _map(codes: Scatter, colors: tuple[str, ...], ink: str, extent: float) -> tuple[Image.Image, bytes]:

    def compute() -> tuple[Image.Image, bytes]:
        window = _Window((0.0, 0.0), extent)
        image = _plot(codes, [_color(color) for color in colors], _color(ink), window)
        # Encoded once: while the pad is dragged, the map is requested ten times per second.
        return image, preview.png(image)

    return _maps.get_or_compute((codes.key, colors, ink, extent), compute)


def _plot(
    codes: Scatter, colors: list[tuple[int, int, int]], ink: tuple[int, int, int], window: _Window
) -> Image.Image:
    pixels = np.zeros((SIDE, SIDE, 4), dtype=np.uint8)
    across, down = window.place(codes.x, codes.y)
    inside = np.flatnonzero((across >= 0) & (across < SIDE) & (down >= 0) & (down < SIDE))
    column, row = across[inside].astype(int), down[inside].astype(int)
    label = codes.label[inside] if len(codes.label) else np.zeros(len(inside), dtype=int)
    shade = np.array([(*color, 255) for color in colors], dtype=np.uint8)[label % len(colors)]
    # Fewer dots are larger. They keep the order of the data set, which mixes the classes, so no class hides the others.
    radius = 2 if len(inside) > 2_000 else 4
    for lower in range(-radius, radius + 1):
        for right in range(-radius, radius + 1):
            if lower**2 + right**2 <= radius**2:
                pixels[(row + lower).clip(0, SIDE - 1), (column + right).clip(0, SIDE - 1)] = shade
    image = Image.fromarray(pixels)
    draw = ImageDraw.Draw(image)
    middle_x, middle_y = (float(value) for value in window.place(np.float64(0), np.float64(0)))
    draw.line((0, middle_y, SIDE, middle_y), fill=(*ink, 110))
    draw.line((middle_x, 0, middle_x, SIDE), fill=(*ink, 110))
    font = ImageFont.load_default(30)
    for index, (middle_x, middle_y) in label_positions(codes, window.extent).items():
        x, y = (float(value) for value in window.place(np.float64(middle_x), np.float64(middle_y)))
        text = codes.classes[index]
        draw.text((x, y), text, fill=ink, font=font, anchor="mm", stroke_width=4, stroke_fill=_halo(ink))
    return image


def label_positions(codes: Scatter, extent: float) -> dict[int, tuple[float, float]]:
    """Where each class is named: at the median of its codes, moved apart if names would overlap.

    `extent` is half the side of the image; the smallest distance is a fraction of it.
    """
    present = [index for index in range(len(codes.classes)) if (codes.label == index).any()]
    places = np.array([[np.median(axis[codes.label == index]) for axis in (codes.x, codes.y)] for index in present])
    least = _LABELS_APART * extent
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
    """An image of [-window, window] in both directions, with integer ticks at its left and its lower edge."""
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
        if number > -last or last < window * 0.97:  # the first numbers of both axes would overlap in the corner
            draw.text((min(band + at, side + band * 0.7), side + band * 0.6), text, fill=color, font=font, anchor="mm")
        draw.text(
            (band * 0.7, min(max(side - at, band * 0.4), side - band * 0.3)), text, fill=color, font=font, anchor="rm"
        )
    return preview.png(framed, compress_level=1)


def _mark(
    image: Image.Image,
    ink: tuple[int, int, int],
    window: _Window,
    z: tuple[float, float],
    sigma: tuple[float, float] | None,
) -> None:
    """Two ellipses, or a point, between four lines that point to it, in the colour MARK.

    A ring is added if the ellipses are hardly larger than the dots.
    """
    draw = ImageDraw.Draw(image)
    x, y = (float(value) for value in window.place(np.float64(z[0]), np.float64(z[1])))
    radii = [tuple(max(3.0, times * s / window.extent * SIDE / 2) for s in sigma or (0.0, 0.0)) for times in (1, 2)]
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
