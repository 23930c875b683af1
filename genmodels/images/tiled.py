"""One photograph of any size through a translating model, and back at its size.

A network wants sides that are multiples of some number, and memory for every layer at full size: a photograph of 12
million pixels would need 30 GB. So it is padded by reflection, and above `TILE` x `TILE` pixels cut into tiles that
overlap by more than a network looks around, and blended where they meet. Instance norm's statistics are of the whole
picture: they are taken from one pass over a reduced copy and kept for the tiles, else each tile had colours of its own.
A network that looks further than tiles can overlap, such as a U-Net of six reductions, gets the reduced copy alone.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Generator
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from genmodels.capabilities import Direction, SupportsPainting, SupportsStylizing, SupportsTranslation
from genmodels.data.loader import to_float, to_uint8
from genmodels.data.pictures import MAX_PIXELS
from genmodels.errors import CapabilityError, ConfigError, DataError
from genmodels.images.tiling import BLEND, cores, ramp, up
from genmodels.kernels.precision import faster_dtype
from genmodels.layers.instance_norm import frozen_copy
from genmodels.model import Model

Way = Direction | Literal["stylize"]
"""Through which of a model's networks a picture goes: `stylize` is the one of a network that paints in one style."""
Precision = Literal["auto", "fp32", "bf16"]
Progress = Callable[[int, int], None]

TILE = 768
"""Side of a tile; a picture of no more pixels than one goes through in one piece: 0.5 GB, 64 channels in float32."""
_HALO = 96  # pixels a tile sees around what is kept of it, or as far as the network looks where that is more
_LEAST_CORE = 1 / 3  # of a tile's side is kept at least; less would cost more than nine times the picture
_LEAST = 32  # a smaller picture would be a single number after some reductions
_MOST_PADDED = 2 * MAX_PIXELS
_STRIP = 256  # rows
_MOST_DRAWN_OUT = 500  # times as long as wide; a file of 46 kB can be 4,000,000 x 4


def translate_image(
    model: Model,
    picture: np.ndarray,
    direction: Way,
    *,
    max_side: int | None = None,
    tile: int = TILE,
    precision: Precision = "auto",
    on_progress: Progress | None = None,
) -> np.ndarray:
    """`picture`, uint8 (H, W, 3) or with transparency (H, W, 4), as the other kind: the same shape, uint8.

    Above `max_side` pixels it is translated reduced and `brought_back`: what a network knows has the size of its
    training pictures; and so it is where `worked_size` says that tiles would show their borders. Transparency is laid
    on white and given back. `on_progress(done, total)` is called after each tile. `auto` times float32 and bfloat16
    once for each kind of model. Raises CapabilityError, ConfigError or DataError.
    """
    if max_side is not None and max_side < 1:
        raise ConfigError(f"max_side = {max_side} is not allowed: at least 1 pixel, or none for the full size")
    _check(model, direction)
    colours, alpha = without_alpha(picture)
    height, width = colours.shape[:2]
    check_shape(width, height)
    worked = resized(colours, *worked_size(model, width, height, tile, max_side))
    with torch.inference_mode():
        steps = translating(model, worked, direction, tile=tile, precision=precision)
        done = finished(steps, on_progress)
    result = brought_back(done, worked, colours if keeps_surroundings(model) else None, (width, height))
    return result if alpha is None else np.concatenate([result, alpha], 2)


def check_shape(width: int, height: int) -> None:
    """Raises DataError for a picture so drawn out that padding it would make many times what it shows."""
    longer, shorter = max(width, height), max(_LEAST, min(width, height))
    if longer > _MOST_DRAWN_OUT * shorter:
        raise DataError(
            f"{width:,} x {height:,} pixels are too drawn out: a picture may be {_MOST_DRAWN_OUT} times as long as it "
            f"is wide, counting at least {_LEAST} pixels across; cut it into shorter parts"
        )


def worked_size(
    model: Model, width: int, height: int, tile: int = TILE, max_side: int | None = None
) -> tuple[int, int]:
    """Width and height at which a picture of this size goes through a model that translates or stylizes.

    Its own, up to `max_side`; unless it is larger than a tile and the network looks further around a pixel than tiles
    can overlap: then it is reduced to the pixels of one tile, since tiles would show their borders.
    """
    if max_side is not None:
        factor = min(1.0, max_side / max(height, width))
        width, height = max(1, round(width * factor)), max(1, round(height * factor))
    multiple = _multiple(model)
    padded = [up(max(side, _LEAST), multiple) for side in (width, height)]
    if padded[0] * padded[1] <= tile * tile or _tiling(model, tile) is not None:
        return width, height
    factor = tile / (max(width, _LEAST) * max(height, _LEAST)) ** 0.5
    while True:
        found = max(1, int(width * factor)), max(1, int(height * factor))
        across, down = (up(max(side, _LEAST), multiple) for side in found)
        if across * down <= tile * tile or max(across, down) <= max(_LEAST, multiple):
            return found
        factor *= 0.95  # what is padded counts


def without_alpha(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Colours (H, W, 3), on white where transparent, and how opaque they were (H, W, 1); raises DataError."""
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] not in (3, 4) or not picture.size:
        raise DataError(
            f"a picture is uint8 of (height, width, 3 or 4), not {picture.dtype} of {picture.shape}; "
            "genmodels.data.pictures.decode_whole makes one of a file"
        )
    if picture.shape[2] == 3:
        return picture, None
    colours = np.empty((*picture.shape[:2], 3), np.uint8)
    for top in range(0, len(picture), _STRIP):  # the whole at once would be held four times over
        strip = Image.fromarray(picture[top : top + _STRIP])
        white = Image.new("RGBA", strip.size, (255, 255, 255, 255))
        colours[top : top + _STRIP] = np.asarray(Image.alpha_composite(white, strip).convert("RGB"))
    return colours, picture[:, :, 3:].copy()


def resized(colours: np.ndarray, width: int, height: int) -> np.ndarray:
    """uint8 (H, W, 3) at another size."""
    if colours.shape[:2] == (height, width):
        return colours
    return np.asarray(Image.fromarray(colours).resize((width, height), Image.Resampling.LANCZOS))


def brought_back(
    there: np.ndarray, worked: np.ndarray, picture: np.ndarray | None, size: tuple[int, int]
) -> np.ndarray:
    """A translation of `worked`, the reduced picture, at the size of the whole one (width, height); all uint8.

    With `picture`, the whole one, for models that keep what they do not change: the change is enlarged and laid on it,
    so that its detail stays. Without, the translation is enlarged.
    """
    width, height = size
    if picture is None or there.shape == picture.shape:
        return resized(there, width, height)
    result = np.empty_like(picture)
    for channel in range(3):  # one at a time: in float32 a large picture is a third of a gigabyte
        change = Image.fromarray(there[:, :, channel].astype(np.float32) - worked[:, :, channel])
        full = np.array(change.resize((width, height), Image.Resampling.BICUBIC))
        full += picture[:, :, channel]
        np.round(full, out=full)
        result[:, :, channel] = np.clip(full, 0, 255, out=full)
    return result


def keeps_surroundings(model: Model) -> bool:
    """Whether what it makes of a reduced picture can be laid on the whole one: a grey network knows no colours."""
    return isinstance(model, SupportsTranslation) and model.preserves_background and model.config.image_shape[0] == 3


def finished(steps: Generator[tuple[int, int], None, np.ndarray], on_progress: Progress | None = None) -> np.ndarray:
    """What `translating` comes to, all at once."""
    while True:
        try:
            done, total = next(steps)
        except StopIteration as end:
            found: np.ndarray = end.value
            return found
        if on_progress is not None:
            on_progress(done, total)


def translating(
    model: Model,
    colours: np.ndarray,
    direction: Way,
    *,
    tile: int = TILE,
    precision: Precision = "auto",
) -> Generator[tuple[int, int], None, np.ndarray]:
    """Yields (done, total) after each tile of a picture, uint8 (H, W, 3), and returns it translated.

    A caller may stop between any two, for instance to let others use the thread; each is to be asked for in inference
    mode. Raises CapabilityError or DataError.
    """
    _check(model, direction)
    picture, given = colours, (colours.shape[1], colours.shape[0])
    check_shape(*given)
    colours = resized(colours, *worked_size(model, *given, tile))
    multiple, (height, width) = _multiple(model), colours.shape[:2]
    padded_width, padded_height = (up(max(side, _LEAST), multiple) for side in (width, height))
    if padded_width * padded_height > _MOST_PADDED:
        raise DataError(
            f"{width} x {height} would be padded to {padded_width} x {padded_height}, more than {_MOST_PADDED:,} "
            "pixels; cut it into parts, or set max_side"
        )
    grey = model.config.image_shape[0] == 1
    pixels = np.atleast_3d(np.asarray(Image.fromarray(colours).convert("L")) if grey else colours)
    # bottom and right; numpy reflects again and again where a side is shorter than what it lacks
    pixels = np.pad(pixels, ((0, padded_height - height), (0, padded_width - width), (0, 0)), mode="reflect")
    prepared = _prepared(model, _chosen(model) if precision == "auto" else precision)
    if padded_width * padded_height <= tile * tile:
        done = to_uint8(_pass(prepared, pixels, direction))[0].cpu()
        yield 1, 1
    else:
        done = yield from _tiled(prepared, pixels, direction, tile)
    kept = done[:, :height, :width].permute(1, 2, 0)
    there = (kept.expand(-1, -1, 3) if grey else kept).contiguous().numpy()
    return brought_back(there, colours, picture if keeps_surroundings(model) else None, given)


def _check(model: Model, way: Way) -> None:
    """Raises CapabilityError where the model has no network of that kind."""
    if way == "stylize":
        if not isinstance(model, SupportsStylizing) or isinstance(model, SupportsPainting):
            raise CapabilityError(f"{model.title} cannot paint at once; choose a fast style network")
    elif not isinstance(model, SupportsTranslation):
        raise CapabilityError(f"{model.title} cannot translate pictures; choose a model that can, such as a CycleGAN")


def _multiple(model: Model) -> int:
    assert isinstance(model, SupportsTranslation | SupportsStylizing)
    return model.multiple


def _tiling(model: Model, tile: int) -> tuple[int, int] | None:
    """What is kept of a tile and what it sees around that, in pixels a side; None where the network looks too far."""
    assert isinstance(model, SupportsTranslation | SupportsStylizing)
    multiple = model.multiple
    halo = up(max(_HALO, model.receptive_radius), multiple)
    core = (tile - 2 * halo) // multiple * multiple
    return (core, halo) if core >= max(2 * BLEND, _LEAST_CORE * tile) else None


def _tiled(model: Model, pixels: np.ndarray, direction: Way, tile: int) -> Generator[tuple[int, int], None, Tensor]:
    """(C, H, W) uint8, tile by tile with the statistics of the whole."""
    height, width, channels = pixels.shape
    multiple, tiling = _multiple(model), _tiling(model, tile)
    assert tiling is not None, "`worked_size` leaves no such picture"
    core, halo = tiling
    rows, columns = list(cores(height, core, multiple)), list(cores(width, core, multiple))
    total = 1 + len(rows) * len(columns)

    model = frozen_copy(model)
    _pass(model, _reduced(pixels, tile, multiple), direction)
    yield 1, total

    canvas = torch.zeros(channels, height, width)
    done = 1
    for top, bottom in rows:
        for left, right in columns:
            above, below = max(0, top - halo), min(height, bottom + halo)
            before, behind = max(0, left - halo), min(width, right + halo)
            translated = _pass(model, pixels[above:below, before:behind], direction)[0].float().cpu()
            weight = ramp(top, bottom, above, below, height)[:, None] * ramp(left, right, before, behind, width)
            canvas[:, above:below, before:behind] += translated * weight
            done += 1
            yield done, total
    return torch.cat([to_uint8(plane[None]) for plane in canvas])


def _reduced(pixels: np.ndarray, tile: int, multiple: int) -> np.ndarray:
    """The picture small enough for one pass, its sides still multiples."""
    height, width, channels = pixels.shape
    factor = tile / (height * width) ** 0.5
    across, down = (up(max(_LEAST, int(side * factor)), multiple) for side in (width, height))
    # Rounded up both, they may be more than a tile's pixels: the longer side gives way.
    if width >= height:
        across = max(multiple, min(across, tile * tile // down // multiple * multiple))
    else:
        down = max(multiple, min(down, tile * tile // across // multiple * multiple))
    image = Image.fromarray(pixels[:, :, 0] if channels == 1 else pixels)
    return np.atleast_3d(np.asarray(image.resize((across, down), Image.Resampling.BOX)))


def _pass(model: Model, pixels: np.ndarray, direction: Way) -> Tensor:
    """uint8 (H, W, C) -> (1, C, H, W) in [-1, 1]."""
    # (H, W, C) is channels-last already: seen as (1, C, H, W) its floats need no second copy
    x = torch.from_numpy(np.array(pixels)).permute(2, 0, 1)[None]
    x = to_float(x.to(model.device)).to(next(model.parameters()).dtype)
    if direction == "stylize":
        assert isinstance(model, SupportsStylizing)
        return next(iter(model.stylize(x)))
    assert isinstance(model, SupportsTranslation)
    return model.translate(x, direction)


# ---------------------------------------------------------------- precision


def _prepared(model: Model, precision: Literal["fp32", "bf16"]) -> Model:
    """A copy to translate with: channels-last, in its own number format, without what only training needs."""
    memo: dict[int, Any] = {id(getattr(model, part)): None for part in model.training_only}
    memo.pop(id(None), None)
    prepared: Model = copy.deepcopy(model, memo).requires_grad_(False).eval()
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    return prepared.to(dtype=dtype, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def _chosen(model: Model) -> Literal["fp32", "bf16"]:
    """The faster precision for this kind of model on this machine."""
    side = up(128, _multiple(model))
    pixels = np.zeros((side, side, model.config.image_shape[0]), np.uint8)
    way: Way = "a_to_b" if isinstance(model, SupportsTranslation) else "stylize"
    prepared: dict[str, Model] = {}

    def translate(precision: Literal["fp32", "bf16"]) -> None:
        if precision not in prepared:
            prepared[precision] = _prepared(model, precision)
        _pass(prepared[precision], pixels, way).cpu()

    return faster_dtype((model.name, model.config.model_dump_json(), str(model.device)), translate)
