"""Requests of the stylize page: the settings of a slow (optimisation-based) painting, and a fast network's result.

A slow painting is a training job, which this package does not start: it provides the settings in the form of `--set`.
A fast network runs on the inference thread, large images tile by tile.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import numpy as np
from PIL import Image
from pydantic import Field

from genmodels import recipes, registry
from genmodels.capabilities import SupportsOnePassStylizing
from genmodels.config import FROM_DATA, Frozen
from genmodels.data.formats import image_files
from genmodels.data.sandbox import image_decoders
from genmodels.errors import CapabilityError, GenmodelsError
from genmodels.images import full_size, preview, tiled
from genmodels.images.tiled import Progress
from genmodels.model import Model
from genmodels.networks.perceptual_settings import CONTENT_LAYERS, STYLE_LAYERS
from genmodels.recipes import Spec
from genmodels.runs import catalog
from genmodels.runs.catalog import CheckpointInfo
from genmodels.runs.folder import RunFolder
from genmodels.service.inference import ModelKey, model_of, run
from genmodels.service.large_images import TILE, ImageFile, Shown, cached, run_tiles, shown
from genmodels.service.requests import ModelRequest
from genmodels.service.stylize import inputs as stylize_inputs

MAX_MB = image_files.MAX_FILE_BYTES >> 20
RECIPE = "style_transfer"
LAYERS = {"content": CONTENT_LAYERS, "style": STYLE_LAYERS}
PRESETS: dict[str, dict[str, Any]] = {
    "balanced": {},
    "gentle": {"style_weight": 0.1},
    "strong": {"style_weight": 10.0},
    "colours": {"colour": "luminance"},
    "noise": {"start": "noise", "content_weight": 3.0},
}
"""Model settings of each preset that differ from the recipe's."""
SIZES = (64, 96, 128, 192, 256, 384, 512)
"""Longer side of a painting in pixels; twice the side takes four times as long."""
ITERATIONS = (10, 20, 50, 100, 200, 300, 500, 1000)
FAST_SIZES = (256, 512, 1024, 2048)
_PREVIEW_BYTES = 24_000_000  # of all previews of a painting: 200 at 256 pixels, 61 at 512
_PIXEL_BYTES = 1.5  # per pixel of the longer side's square: a PNG takes two bytes per pixel, and an image is 3 x 4
_THUMBNAIL = 384


class PaintingSettings(Frozen):
    """Size and number of iterations of a slow painting; the rest are settings of the model."""

    size: int = Field(256, ge=16, le=SIZES[-1], description="longer side in pixels, at most the photograph's own")
    iterations: int = Field(200, ge=1, le=ITERATIONS[-1], description="updates of the canvas")


class StylizeRequest(ModelRequest):
    """A fast network, and the size of its result."""

    longest: int | None = Field(
        None,
        ge=16,
        le=FAST_SIZES[-1],
        description="longer side in pixels; larger images are reduced. Empty: the side of the training images",
    )


@dataclass(frozen=True)
class Stylized:
    """The network's input and its result `pixels`, uint8 (H, W, 3), or (H, W, 4) with transparency."""

    before: Shown
    after: Shown
    pixels: np.ndarray
    original_size: tuple[int, int]
    seconds: float

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the result."""
        return self.pixels.shape[1], self.pixels.shape[0]


# ------------------------------------------------------------------------------ slow: a training job


def settings() -> dict[str, Any]:
    """The recipe's model settings by name."""
    sections = recipes.merge(recipes.get(RECIPE))
    config = registry.config_class(recipes.get(RECIPE).family).parse(sections["model"], "model.")
    return {name: value for name, value in config.model_dump(mode="json").items() if name not in FROM_DATA}


def preset(name: str) -> dict[str, Any]:
    """The model settings of a preset."""
    return {**settings(), **PRESETS[name]}


def preset_of(values: Mapping[str, Any]) -> str | None:
    """The name of the preset that these settings match; None for a custom mix."""
    return next((name for name in PRESETS if all(preset(name)[key] == value for key, value in values.items())), None)


def assignments(painting: PaintingSettings, values: Mapping[str, Any]) -> list[str]:
    """The settings of a job in the form of `--set`: model settings that differ from the recipe's, size and iterations.

    A preview is saved of every n-th iteration, with the smallest n that keeps all previews below some 24 MB. The job
    checks whether the values are allowed.
    """
    previews = _PREVIEW_BYTES / (_PIXEL_BYTES * painting.size**2)
    defaults = settings()
    changed = [f"model.{name}={value}" for name, value in values.items() if value != defaults.get(name)]
    return [
        *changed,
        f"data.size={painting.size}",
        f"data.style_size={max(16, painting.size)}",
        f"train.max_steps={painting.iterations}",
        f"train.preview_every={math.ceil(painting.iterations / previews)}",
        f"train.save_every={max(10, painting.iterations // 4)}",
    ]


def run_name(content: ImageFile, style: ImageFile) -> str:
    """A name for the run, from the names of the two files."""
    stems = (re.sub(r"[^\w .-]+", " ", PurePath(file.name).stem).strip()[:30] for file in (content, style))
    first, second = (stem or "picture" for stem in stems)
    return f"{first} like {second}"


def thumbnail(file: ImageFile) -> Shown:
    """A small version of a chosen image; raises DataError, with the reason, if it cannot be used."""

    def make() -> tuple[Shown, int]:
        small = shown(image_decoders.decode_fitted(file.raw, _THUMBNAIL).transpose(1, 2, 0))
        return small, len(small.image)

    return cached(Shown, _THUMBNAIL, file.raw, make)


# ------------------------------------------------------------------------------ fast: one pass of a network


def checkpoints() -> tuple[CheckpointInfo, ...]:
    """Checkpoints and runs that stylize any photograph in their one style, published ones first."""
    return tuple(info for info in catalog.list_checkpoints() if is_fast_style(info))


def is_fast_style(info: CheckpointInfo) -> bool:
    """Whether it is a network with one style, not a single optimised canvas."""
    return "stylizing" in info.capabilities and "painting" not in info.capabilities


def style_of(info: CheckpointInfo) -> str | None:
    """The title of the network's style image; None if it is unknown."""
    try:
        # As it was submitted: the run's own spec names its copy of the style image instead.
        spec = Spec.parse(RunFolder(info.path).config().get("spec", {}))
    except GenmodelsError:
        return None  # damaged; `stylize` reports it
    return stylize_inputs.title_of(spec.data.style)


def stylize(request: StylizeRequest, file: ImageFile, on_progress: Progress | None = None) -> Stylized:
    """A file's image in the network's style, at its own size up to `longest`, by default its scale of training; cached.

    The EXIF orientation is applied. Transparent images are stylized on white and keep their transparency.
    `on_progress(done, total)` is called after each tile, on the caller's thread. Raises DataError if the file is not an
    image or too large, CapabilityError if the model is not a fast style network, UnknownNameError and CheckpointError.
    """
    model, key, training_side = run(lambda: _network(request))
    longest = request.longest or training_side

    def make() -> tuple[Stylized, int]:
        source_image = image_decoders.decode_whole(file.raw)
        original = source_image.shape[1], source_image.shape[0]
        tiled.check_shape(*original)
        factor = min(1.0, longest / max(original))
        size = max(1, round(original[0] * factor)), max(1, round(original[1] * factor))
        size = tiled.working_size(model, *size, TILE)
        if size != original:
            source_image = np.asarray(
                Image.fromarray(source_image).resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
            )
        colours, alpha = full_size.split_alpha(source_image)
        began = time.perf_counter()
        pixels = run_tiles(model, colours, "stylize", on_progress)
        if alpha is not None:
            pixels = np.concatenate([pixels, alpha], 2)
        seconds = time.perf_counter() - began
        return Stylized(shown(source_image), shown(pixels), pixels, original, seconds), pixels.nbytes

    return cached(Stylized, (key, longest), file.raw, make)


def png(request: StylizeRequest, file: ImageFile) -> bytes:
    """The result as a PNG."""
    return preview.png(Image.fromarray(stylize(request, file).pixels), compress_level=3)


def _network(request: StylizeRequest) -> tuple[Model, ModelKey, int]:
    """The network, its key in the cache, and the longer side of its training images."""
    model, key = model_of(request.model, request.step)
    if not isinstance(model, SupportsOnePassStylizing):
        raise CapabilityError(f"{request.model} cannot paint at once; choose a fast style network, which has one style")
    return model, key, model.training_side
