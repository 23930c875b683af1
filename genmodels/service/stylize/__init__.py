"""The stylize page's requests: what a painting that takes minutes is to be like, and a network's answer at once.

The slow way is a training job, which this package knows nothing of: here are its settings, in the words that jobs are
submitted in. The fast way goes through the inference thread, large pictures tile by tile.
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

from genmodels import catalog, recipes, registry
from genmodels.capabilities import SupportsPainting, SupportsStylizing
from genmodels.catalog import CheckpointInfo
from genmodels.config import FROM_DATA, Frozen
from genmodels.data import pictures
from genmodels.errors import CapabilityError, GenmodelsError
from genmodels.images import preview, tiled
from genmodels.images.tiled import Progress
from genmodels.model import Model
from genmodels.networks.perceptual_settings import CONTENT_LAYERS, STYLE_LAYERS
from genmodels.recipes import Spec
from genmodels.runfolder import RunFolder
from genmodels.service.inference import ModelKey, model_of, run
from genmodels.service.stylize import given as stylize_given
from genmodels.service.translate.given import Upload
from genmodels.service.whole_pictures import TILE, Shown, once, shown, stepwise

MAX_MB = pictures.MAX_FILE_BYTES >> 20
RECIPE = "style_transfer"
LAYERS = {"content": CONTENT_LAYERS, "style": STYLE_LAYERS}
PRESETS: dict[str, dict[str, Any]] = {
    "balanced": {},
    "gentle": {"style_weight": 0.1},
    "strong": {"style_weight": 10.0},
    "colours": {"colour": "luminance"},
    "noise": {"start": "noise", "content_weight": 3.0},
}
"""Settings of the model, by the name of the mixture, where they differ from the recipe's."""
SIZES = (64, 96, 128, 192, 256, 384, 512)
"""Longer side of a painting in pixels; twice as large takes four times as long."""
ITERATIONS = (10, 20, 50, 100, 200, 300, 500, 1000)
FAST_SIZES = (256, 512, 1024, 2048)
_KEPT_BYTES = 24_000_000  # for pictures kept of a painting on its way: each of 200 at 256 pixels, 61 at 512
_PIXEL_BYTES = 1.5  # of the longer side's square: paintings take two bytes a pixel as PNG, and are three by four
_THUMB = 384


class Wish(Frozen):
    """How large a painting is to be, and how long to be painted; the rest is the model's own settings."""

    size: int = Field(256, ge=16, le=SIZES[-1], description="longer side in pixels, of the photograph's own at most")
    iterations: int = Field(200, ge=1, le=ITERATIONS[-1], description="updates of the canvas")


class Asking(Frozen):
    """Which network paints at once, and how large."""

    model: str = Field(min_length=1, max_length=200, description="name of a checkpoint or run")
    step: int | None = Field(None, ge=0, description="saved step; empty takes the newest")
    longest: int = Field(512, ge=16, le=FAST_SIZES[-1], description="longer side in pixels; larger ones are reduced")


@dataclass(frozen=True)
class Painted:
    """A photograph as it went through the network, and the painting: uint8 (H, W, 3), or 4 with transparency."""

    before: Shown
    after: Shown
    pixels: np.ndarray
    given: tuple[int, int]
    seconds: float

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the painting."""
        return self.pixels.shape[1], self.pixels.shape[0]


# ------------------------------------------------------------------------------ the slow way


def settings() -> dict[str, Any]:
    """The recipe's own settings of the model, by name."""
    sections = recipes.merge(recipes.get(RECIPE))
    config = registry.config_class(recipes.get(RECIPE).model).parse(sections["model"], "model.")
    return {name: value for name, value in config.model_dump(mode="json").items() if name not in FROM_DATA}


def preset(name: str) -> dict[str, Any]:
    """The settings of the model in that mixture."""
    return {**settings(), **PRESETS[name]}


def preset_of(values: Mapping[str, Any]) -> str | None:
    """The mixture that these settings are; None for one's own."""
    return next((name for name in PRESETS if all(preset(name)[key] == value for key, value in values.items())), None)


def assignments(wish: Wish, values: Mapping[str, Any]) -> list[str]:
    """The settings of a job in the words of `--set`: what of the model differs from the recipe, and how it is run.

    Each iteration's picture is kept, or every second and so on where that would take more than some 24 MB. Whether the
    values are allowed is the job's to say.
    """
    kept = _KEPT_BYTES / (_PIXEL_BYTES * wish.size**2)
    usual = settings()
    changed = [f"model.{name}={value}" for name, value in values.items() if value != usual.get(name)]
    return [
        *changed,
        f"data.size={wish.size}",
        f"data.style_size={max(16, wish.size)}",
        f"train.max_steps={wish.iterations}",
        f"train.preview_every={math.ceil(wish.iterations / kept)}",
        f"train.save_every={max(10, wish.iterations // 4)}",
    ]


def run_name(content: Upload, style: Upload) -> str:
    """What to call the painting, from the names of its files."""
    stems = (re.sub(r"[^\w .-]+", " ", PurePath(upload.name).stem).strip()[:30] for upload in (content, style))
    first, second = (stem or "picture" for stem in stems)
    return f"{first} like {second}"


def thumb(upload: Upload) -> Shown:
    """A picture that was chosen, small; raises DataError with the reason where it cannot be used."""

    def make() -> tuple[Shown, int]:
        small = shown(pictures.decode_fitted(upload.raw, _THUMB, served=True).transpose(1, 2, 0))
        return small, len(small.image)

    return once(Shown, _THUMB, upload.raw, make)


# ------------------------------------------------------------------------------ the fast way


def networks() -> tuple[CheckpointInfo, ...]:
    """The checkpoints and runs that paint any photograph in a style of their own, published ones first."""
    return tuple(info for info in catalog.list_checkpoints() if paints_at_once(info))


def paints_at_once(info: CheckpointInfo) -> bool:
    """Whether it is a network with a style of its own, and not one canvas."""
    return "stylizing" in info.capabilities and "painting" not in info.capabilities


def style_of(info: CheckpointInfo) -> str | None:
    """Whose painting it learned from, in words; None where that is not known."""
    try:
        # As it was asked for: a run's own spec names its copy of the painting instead.
        spec = Spec.parse(RunFolder(info.path).config().get("spec", {}))
    except GenmodelsError:
        return None  # damaged: asking it to paint says so
    return stylize_given.title_of(spec.data.style)


def paint(asked: Asking, upload: Upload, on_progress: Progress | None = None) -> Painted:
    """A file's picture painted by a network, at its own size up to `longest`; kept, so that asking again is free.

    Turned as its EXIF orientation says; transparency is laid on white and given back. `on_progress(done, total)` is
    called after each tile, on the caller's thread. Raises DataError for a file that is no picture or too large,
    CapabilityError for a model that does not paint at once, UnknownNameError and CheckpointError.
    """
    model, key = run(lambda: _painter(asked))

    def make() -> tuple[Painted, int]:
        picture = pictures.decode_whole(upload.raw, served=True)
        given = picture.shape[1], picture.shape[0]
        tiled.check_shape(*given)
        factor = min(1.0, asked.longest / max(given))
        size = max(1, round(given[0] * factor)), max(1, round(given[1] * factor))
        size = tiled.worked_size(model, *size, TILE)
        if size != given:
            picture = np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0))
        colours, alpha = tiled.without_alpha(picture)
        began = time.perf_counter()
        pixels = stepwise(model, colours, "stylize", on_progress)
        if alpha is not None:
            pixels = np.concatenate([pixels, alpha], 2)
        seconds = time.perf_counter() - began
        return Painted(shown(picture), shown(pixels), pixels, given, seconds), pixels.nbytes

    return once(Painted, (key, asked.longest), upload.raw, make)


def png(asked: Asking, upload: Upload) -> bytes:
    """The painting as a PNG."""
    return preview.png(Image.fromarray(paint(asked, upload).pixels), compress_level=3)


def _painter(asked: Asking) -> tuple[Model, ModelKey]:
    model, key = model_of(asked.model, asked.step)
    if not isinstance(model, SupportsStylizing) or isinstance(model, SupportsPainting):
        raise CapabilityError(f"{asked.model} cannot paint at once; choose a fast style network, which has one style")
    return model, key
