"""The scatter as a picture: for the pad to be dragged over, beside another model's, and with one digit's ellipse."""

from __future__ import annotations

import threading
from collections import OrderedDict

import numpy as np
from PIL import Image, ImageColor, ImageDraw, ImageFont

from genmodels import preview
from genmodels.errors import ConfigError
from genmodels.service.manifold import PLACE_LIMIT, Plane, Scatter, scatter

SIDE = 640
_MAPS_KEPT = 12
_maps: OrderedDict[tuple[str, tuple[str, ...], str, float], Image.Image] = OrderedDict()
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
    picture = _map(found, colors, ink, reach).copy()
    if z is not None:
        _mark(picture, _color(ink), reach, z, sigma)
    return preview.png(picture, compress_level=1)


def _map(found: Scatter, colors: tuple[str, ...], ink: str, reach: float) -> Image.Image:
    named = (found.key, colors, ink, reach)
    with _lock:
        if named not in _maps:
            _maps[named] = _drawn(found, [_color(color) for color in colors], _color(ink), reach)
            while len(_maps) > _MAPS_KEPT:
                _maps.popitem(last=False)
        _maps.move_to_end(named)
        return _maps[named]


def _drawn(found: Scatter, colors: list[tuple[int, int, int]], ink: tuple[int, int, int], reach: float) -> Image.Image:
    pixels = np.zeros((SIDE, SIDE, 4), dtype=np.uint8)
    inside = np.flatnonzero((np.abs(found.x) < reach) & (np.abs(found.y) < reach))
    column, row = (_place(values[inside], reach).astype(int) for values in (found.x, -found.y))
    label = found.label[inside] if len(found.label) else np.zeros(len(inside), dtype=int)
    shade = np.array([(*color, 255) for color in colors], dtype=np.uint8)[label % len(colors)]
    # A dot is a plus of five pixels; dots come in the set's order, which mixes the classes, so none lies on top of all.
    for down, right in ((0, 0), (0, 1), (1, 0), (0, -1), (-1, 0)):
        pixels[(row + down).clip(0, SIDE - 1), (column + right).clip(0, SIDE - 1)] = shade
    picture = Image.fromarray(pixels)
    draw = ImageDraw.Draw(picture)
    middle = SIDE // 2
    draw.line((0, middle, SIDE, middle), fill=(*ink, 110))
    draw.line((middle, 0, middle, SIDE), fill=(*ink, 110))
    font = ImageFont.load_default(30)
    paper = (255, 255, 255) if sum(ink) < 384 else (0, 0, 0)
    for index, name in enumerate(found.classes):
        own = found.label == index
        if own.any():
            x, y = (float(_place(np.median(values[own]), reach)) for values in (found.x, -found.y))
            draw.text((x, y), name, fill=ink, font=font, anchor="mm", stroke_width=4, stroke_fill=paper)
    return picture


def _mark(
    picture: Image.Image,
    ink: tuple[int, int, int],
    reach: float,
    z: tuple[float, float],
    sigma: tuple[float, float] | None,
) -> None:
    draw = ImageDraw.Draw(picture)
    x, y = float(_place(np.float64(z[0]), reach)), float(_place(np.float64(-z[1]), reach))
    paper = (255, 255, 255) if sum(ink) < 384 else (0, 0, 0)
    for width, color in ((9, paper), (4, ink)):
        if sigma is not None:
            for times in (1, 2):
                across, along = (max(3.0, times * deviation / reach * SIDE / 2) for deviation in sigma)
                draw.ellipse((x - across, y - along, x + across, y + along), outline=color, width=width // times)
        draw.line((x - 14, y, x + 14, y), fill=color, width=width)
        draw.line((x, y - 14, x, y + 14), fill=color, width=width)


def _place(values: np.ndarray | np.floating, reach: float) -> np.ndarray:
    return np.asarray((values / reach + 1) / 2 * SIDE)


def _color(text: str) -> tuple[int, int, int]:
    try:
        red, green, blue = ImageColor.getrgb(text)[:3]
    except ValueError as error:
        raise ConfigError(f"{text!r} is not a colour; write it as #rrggbb") from error
    return red, green, blue
