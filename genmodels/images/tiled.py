"""An image of any size through a translation or style network, and back at its size.

Networks need sides that are multiples of some number, and memory for every layer at full resolution: 30 GB for 12
megapixels. So the image is padded by reflection, and above `TILE` x `TILE` pixels cut into tiles, which overlap by at
least the receptive-field radius and are blended. Instance norm uses the statistics of the whole image: they come from
one pass over a downsampled copy, as each tile's own would change its colours. A network whose receptive field is too
large for overlapping tiles, such as a U-Net of six downsampling layers, gets only a downsampled copy of the image.

Images are uint8 (H, W, 3).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Generator
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from genmodels.capabilities import Direction, SupportsOnePassStylizing, SupportsTranslation
from genmodels.data.formats.image_files import MAX_PIXELS
from genmodels.data.loader import to_float, to_uint8
from genmodels.errors import CapabilityError, ConfigError, DataError
from genmodels.images.full_size import resized, split_alpha, to_full_size
from genmodels.images.tiling import BLEND, blend_weights, cores, round_up
from genmodels.kernels.precision import faster_dtype
from genmodels.layers.instance_norm import frozen_copy
from genmodels.model import Model

Way = Direction | Literal["stylize"]
"""The network to apply: a translator's direction, or `stylize` for a fast style network."""
Precision = Literal["auto", "fp32", "bf16"]
Progress = Callable[[int, int], None]

TILE = 768
"""Side of a tile. An image of at most TILE x TILE pixels is one pass: 0.5 GB with 64 channels in float32."""
_MIN_OVERLAP = 96  # pixels around a tile's core; the receptive-field radius if that is larger
_MIN_CORE = 1 / 3  # of a tile's side; a smaller core would cost more than nine times the image
_MIN_SIDE = 32  # a smaller image would be a single pixel after some downsampling layers
_MAX_PADDED = 2 * MAX_PIXELS
_MAX_ASPECT = 500  # a file of 46 kB can be 4,000,000 x 4 pixels


def translate_image(
    model: Model,
    image: np.ndarray,
    way: Way,
    *,
    max_side: int | None = None,
    tile: int = TILE,
    precision: Precision = "auto",
    on_progress: Progress | None = None,
) -> np.ndarray:
    """`image`, uint8 (H, W, 3) or (H, W, 4) with transparency, translated or stylised: uint8 of the same shape.

    It is translated at `working_size`, with sides of at most `side_limit`, and resized with `to_full_size`: a style
    network works at its scale of training unless `max_side` is larger. Transparent pixels count as white, and stay
    transparent. `on_progress(done, total)` is called after each tile. `auto` times float32 and bfloat16 once per model.
    Raises CapabilityError if the model cannot do this, ConfigError for a `max_side` below 1, DataError for another
    array or an image that is too narrow or too large.
    """
    _check_capability(model, way)
    limit = side_limit(model, way, max_side)
    colours, alpha = split_alpha(image)
    height, width = colours.shape[:2]
    check_shape(width, height)
    working = resized(colours, *working_size(model, width, height, tile, limit))
    tiles = translate_tiles(model, working, way, tile=tile, precision=precision)
    with torch.inference_mode():
        translated = _drain(tiles, on_progress)
    result = to_full_size(translated, working, colours if keeps_background(model) else None, (width, height))
    return result if alpha is None else np.concatenate([result, alpha], 2)


def translate_tiles(
    model: Model, image: np.ndarray, way: Way, *, tile: int = TILE, precision: Precision = "auto"
) -> Generator[tuple[int, int], None, np.ndarray]:
    """Yields (done, total) after each tile of `image`, uint8 (H, W, 3), and returns it translated, the same shape.

    (W, H) is a `working_size`. The caller runs each `next` in inference mode, and may do something else between two
    tiles or stop. Raises CapabilityError, or DataError for an image that is too large.
    """
    _check_capability(model, way)
    multiple, (height, width) = _multiple(model), image.shape[:2]
    padded_width, padded_height = (round_up(max(side, _MIN_SIDE), multiple) for side in (width, height))
    if padded_width * padded_height > _MAX_PADDED:
        raise DataError(
            f"{width} x {height} would be padded to {padded_width} x {padded_height}, more than {_MAX_PADDED:,} "
            "pixels; cut it into parts, or set max_side"
        )
    grey = model.config.shape[0] == 1
    pixels = np.atleast_3d(np.asarray(Image.fromarray(image).convert("L")) if grey else image)
    # At the bottom and right. numpy reflects repeatedly if a side is shorter than its padding.
    pixels = np.pad(pixels, ((0, padded_height - height), (0, padded_width - width), (0, 0)), mode="reflect")
    network = _inference_copy(model, _faster_precision(model) if precision == "auto" else precision)
    if padded_width * padded_height <= tile * tile:
        translated = to_uint8(_run(network, pixels, way))[0].cpu()  # (C, H, W)
        yield 1, 1
    else:
        translated = yield from _run_tiles(network, pixels, way, tile)
    cropped = translated[:, :height, :width].permute(1, 2, 0)
    return (cropped.expand(-1, -1, 3) if grey else cropped).contiguous().numpy()


def side_limit(model: Model, way: Way, max_side: int | None = None) -> int | None:
    """The longest side in pixels at which the network gets an image: `max_side` if it is set.

    By default None, no limit, for a translation, and the side of the training images for a style network: its strokes
    have a fixed size in pixels. Raises ConfigError for a `max_side` below 1.
    """
    if max_side is not None and max_side < 1:
        raise ConfigError(f"max_side = {max_side} is not allowed: at least 1 pixel, or none for the default")
    if max_side is None and way == "stylize":
        assert isinstance(model, SupportsOnePassStylizing)
        return model.training_side
    return max_side


def check_shape(width: int, height: int) -> None:
    """Raises DataError for an image so narrow that padding would multiply its size."""
    longer, shorter = max(width, height), max(_MIN_SIDE, min(width, height))
    if longer > _MAX_ASPECT * shorter:
        raise DataError(
            f"{width:,} x {height:,} pixels are too narrow: the longer side may be at most {_MAX_ASPECT} times the "
            f"shorter, which counts as at least {_MIN_SIDE} pixels; cut it into shorter parts"
        )


def working_size(
    model: Model, width: int, height: int, tile: int = TILE, max_side: int | None = None
) -> tuple[int, int]:
    """Width and height at which an image of this size goes through the model's network.

    Its own, with sides of at most `max_side`. A network whose receptive field is too large for overlapping tiles gets
    at most one tile's pixels, since its tiles would have visible seams.
    """
    if max_side is not None:
        factor = min(1.0, max_side / max(height, width))
        width, height = max(1, round(width * factor)), max(1, round(height * factor))
    multiple = _multiple(model)
    padded = [round_up(max(side, _MIN_SIDE), multiple) for side in (width, height)]
    if padded[0] * padded[1] <= tile * tile or _core_and_overlap(model, tile) is not None:
        return width, height
    factor = tile / (max(width, _MIN_SIDE) * max(height, _MIN_SIDE)) ** 0.5
    while True:
        size = max(1, int(width * factor)), max(1, int(height * factor))
        padded_width, padded_height = (round_up(max(side, _MIN_SIDE), multiple) for side in size)
        if padded_width * padded_height <= tile * tile or max(padded_width, padded_height) <= max(_MIN_SIDE, multiple):
            return size
        factor *= 0.95  # the padding counts


def keeps_background(model: Model) -> bool:
    """Whether the change can be added to the full-size image: the model predicts one, and it knows colours."""
    return isinstance(model, SupportsTranslation) and model.preserves_background and model.config.shape[0] == 3


def _drain(tiles: Generator[tuple[int, int], None, np.ndarray], on_progress: Progress | None) -> np.ndarray:
    """What the generator returns."""
    while True:
        try:
            done, total = next(tiles)
        except StopIteration as end:
            result: np.ndarray = end.value
            return result
        if on_progress is not None:
            on_progress(done, total)


def _check_capability(model: Model, way: Way) -> None:
    """Raises CapabilityError if the model has no such network."""
    if way == "stylize":
        if not isinstance(model, SupportsOnePassStylizing):
            raise CapabilityError(f"{model.title} cannot stylise an image in one pass; choose a fast style network")
    elif not isinstance(model, SupportsTranslation):
        raise CapabilityError(f"{model.title} cannot translate images; choose a model that can, such as a CycleGAN")


def _multiple(model: Model) -> int:
    assert isinstance(model, SupportsTranslation | SupportsOnePassStylizing)
    return model.multiple


def _core_and_overlap(model: Model, tile: int) -> tuple[int, int] | None:
    """Side of a tile's core and width of the overlap around it, in pixels; None if the receptive field is too large."""
    assert isinstance(model, SupportsTranslation | SupportsOnePassStylizing)
    multiple = model.multiple
    overlap = round_up(max(_MIN_OVERLAP, model.receptive_radius), multiple)
    core = (tile - 2 * overlap) // multiple * multiple
    return (core, overlap) if core >= max(2 * BLEND, _MIN_CORE * tile) else None


def _run_tiles(model: Model, pixels: np.ndarray, way: Way, tile: int) -> Generator[tuple[int, int], None, Tensor]:
    """uint8 (H, W, C) -> uint8 (C, H, W), tile by tile with the norm statistics of the whole image."""
    height, width, channels = pixels.shape
    multiple, core_and_overlap = _multiple(model), _core_and_overlap(model, tile)
    assert core_and_overlap is not None, "the image is not of a `working_size`"
    core, overlap = core_and_overlap
    rows, columns = list(cores(height, core, multiple)), list(cores(width, core, multiple))
    total = 1 + len(rows) * len(columns)

    model = frozen_copy(model)
    _run(model, _downsampled(pixels, tile, multiple), way)  # the statistics
    yield 1, total

    canvas = torch.zeros(channels, height, width)
    done = 1
    for top, bottom in rows:
        for left, right in columns:
            above, below = max(0, top - overlap), min(height, bottom + overlap)
            before, after = max(0, left - overlap), min(width, right + overlap)
            translated = _run(model, pixels[above:below, before:after], way)[0].float().cpu()
            weights = (
                blend_weights(top, bottom, above, below, height)[:, None]
                * blend_weights(left, right, before, after, width)
            )  # fmt: skip
            canvas[:, above:below, before:after] += translated * weights
            done += 1
            yield done, total
    return torch.cat([to_uint8(plane[None]) for plane in canvas])


def _downsampled(pixels: np.ndarray, tile: int, multiple: int) -> np.ndarray:
    """The image (H, W, C) at no more than a tile's pixels, its sides multiples of `multiple`."""
    height, width, channels = pixels.shape
    factor = tile / (height * width) ** 0.5
    new_width, new_height = (round_up(max(_MIN_SIDE, int(side * factor)), multiple) for side in (width, height))
    # Both rounded up, they may have more than a tile's pixels: shorten the longer side.
    if width >= height:
        new_width = max(multiple, min(new_width, tile * tile // new_height // multiple * multiple))
    else:
        new_height = max(multiple, min(new_height, tile * tile // new_width // multiple * multiple))
    image = Image.fromarray(pixels[:, :, 0] if channels == 1 else pixels)
    return np.atleast_3d(np.asarray(image.resize((new_width, new_height), Image.Resampling.BOX)))


def _run(model: Model, pixels: np.ndarray, way: Way) -> Tensor:
    """One pass: uint8 (H, W, C) -> (1, C, H, W) in [-1, 1]."""
    # (H, W, C) is channels-last already: viewed as (1, C, H, W), its floats need no second copy.
    x = torch.from_numpy(np.array(pixels)).permute(2, 0, 1)[None]
    x = to_float(x.to(model.device)).to(next(model.parameters()).dtype)
    if way == "stylize":
        assert isinstance(model, SupportsOnePassStylizing)
        return model.stylize_full_size(x)
    assert isinstance(model, SupportsTranslation)
    return model.translate(x, way)


# ---------------------------------------------------------------- precision


def _inference_copy(model: Model, precision: Literal["fp32", "bf16"]) -> Model:
    """A copy in channels-last format and the given dtype, without the submodules that only training needs."""
    memo: dict[int, Any] = {id(getattr(model, part)): None for part in model.training_only}
    memo.pop(id(None), None)
    network: Model = copy.deepcopy(model, memo).requires_grad_(False).eval()
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    return network.to(dtype=dtype, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def _faster_precision(model: Model) -> Literal["fp32", "bf16"]:
    """The faster precision for this config on this machine, timed once per process."""
    side = round_up(128, _multiple(model))
    pixels = np.zeros((side, side, model.config.shape[0]), np.uint8)
    way: Way = "a_to_b" if isinstance(model, SupportsTranslation) else "stylize"
    copies: dict[str, Model] = {}

    def run(precision: Literal["fp32", "bf16"]) -> None:
        if precision not in copies:
            copies[precision] = _inference_copy(model, precision)
        _run(copies[precision], pixels, way).cpu()

    return faster_dtype((model.name, model.config.model_dump_json(), str(model.device)), run)
