"""Requests of the translate page: an image of any size in the other domain, and the error of the cycle A to B to A.

A large image takes a minute. It is translated tile by tile, so that other visitors' requests run between two tiles.
"""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import TypeVar

import numpy as np
import torch
from PIL import Image
from pydantic import Field

from genmodels.capabilities import Direction, SupportsTranslation
from genmodels.data.formats import image_files
from genmodels.data.loader import to_float
from genmodels.data.sandbox import image_decoders
from genmodels.errors import CapabilityError
from genmodels.evaluation.translation_metrics import classifier_of, probability_of_b
from genmodels.images import full_size, preview, tiled
from genmodels.images.tiled import Progress
from genmodels.model import Model
from genmodels.runs import catalog
from genmodels.runs.catalog import CheckpointInfo
from genmodels.runs.folder import RunFolder
from genmodels.service.fair_queue import background, queued
from genmodels.service.inference import ModelKey, model_of, plain, run
from genmodels.service.large_images import DISPLAY_SIDE, TILE, ImageFile, Shown, cached, result_name, run_tiles, shown
from genmodels.service.requests import ModelRequest
from genmodels.service.translate.heat_map import to_colours

MAX_IMAGES, MAX_MB = 12, image_files.MAX_FILE_BYTES >> 20
DETAILS = (1, 2, 4, 0)
"""Resolution of a translation: the shorter side as a multiple of the training images'; 0 keeps the image's own size."""
HEAT_TOP = 0.5
"""Absolute difference (2 at most) that gets the lightest colour of the heat map."""
_MAX_PIXELS = 16_000_000  # larger images are reduced to so many pixels, translated and upsampled

T = TypeVar("T")


class TranslationRequest(ModelRequest):
    """A model, the direction, and the resolution."""

    direction: Direction = Field("a_to_b", description="from domain A to domain B, or back")
    detail: int = Field(
        1, ge=0, le=16, description="shorter side as a multiple of the training images'; 0 keeps the image's own size"
    )


@dataclass(frozen=True)
class Translation:
    """An image and its translation.

    `working_size` is the size at which it went through the network, (width, height). `background_kept`: only the masked
    change was upsampled onto the original. `probabilities` are the reference classifier's for the target domain, of the
    image and of its translation; None without such a classifier.
    """

    before: Shown
    after: Shown
    pixels: np.ndarray
    working_size: tuple[int, int]
    background_kept: bool
    seconds: float
    probabilities: tuple[float, float] | None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the image and of its translation."""
        return self.pixels.shape[1], self.pixels.shape[0]


@dataclass(frozen=True)
class Cycle:
    """An image, its translation, the translation back, and heat maps of how much each differs from the image.

    `error` is the mean absolute difference of the image and the translation back, both in [-1, 1].
    """

    before: Shown
    translated: Shown
    change: Shown
    returned: Shown
    difference: Shown
    error: float


def checkpoints() -> tuple[CheckpointInfo, ...]:
    """Checkpoints and runs that translate images, published ones first."""
    return tuple(info for info in catalog.list_checkpoints() if "translation" in info.capabilities)


def domains(info: CheckpointInfo) -> tuple[str, str]:
    """The names of domain A and domain B."""
    return (info.classes[0], info.classes[1]) if len(info.classes) == 2 else ("A", "B")


def training_side(info: CheckpointInfo) -> int:
    """The shorter side of the training images."""
    return min((info.image_shape or (0, 1, 1))[1:])


# ------------------------------------------------------------------------------ translating


def translate(request: TranslationRequest, file: ImageFile, on_progress: Progress | None = None) -> Translation:
    """A file's image in the other domain, at its own size; cached.

    The EXIF orientation is applied. Transparent images are translated on white and keep their transparency.
    `on_progress(done, total)` is called after each tile, on the caller's thread. Raises DataError if the file is not an
    image or too large, CapabilityError if the model does not translate, UnknownNameError and CheckpointError.
    """

    def make(model: Model) -> tuple[Translation, int]:
        source_image = image_decoders.decode_whole(file.raw)
        before, (height, width) = shown(source_image), source_image.shape[:2]
        colours, alpha = full_size.split_alpha(source_image)
        reduced = _reduced(model, request, colours)
        original = colours if tiled.keeps_background(model) else None
        del source_image, colours  # up to 0.2 GB, which most models do not need while the network works for minutes
        one_way = _one_way(request, file, reduced, on_progress)
        pixels = full_size.to_full_size(one_way.translated, one_way.source, original, (width, height))
        if alpha is not None:
            pixels = np.concatenate([pixels, alpha], 2)
        size = one_way.source.shape[1], one_way.source.shape[0]
        probabilities = _probabilities(request, one_way.source, one_way.translated)
        result = Translation(before, shown(pixels), pixels, size, original is not None, one_way.seconds, probabilities)
        return result, pixels.nbytes

    return _cached(Translation, request, file, make)


def cycle(request: TranslationRequest, file: ImageFile, on_progress: Progress | None = None) -> Cycle:
    """The cycle A to B to A (or B to A to B) at the network's working size; raises what `translate` does.

    The first translation is shared with `translate` and computed once.
    """
    reverse: Direction = "b_to_a" if request.direction == "a_to_b" else "a_to_b"

    def half(part: int) -> Progress | None:
        return None if on_progress is None else lambda done, total: on_progress(done + part * total, 2 * total)

    def make(model: Model) -> tuple[Cycle, int]:
        one_way = _one_way(request, file, None, half(0))
        source = one_way.source
        if _is_grey(model):  # the network does not see colours, so they do not count as an error
            source = np.asarray(Image.fromarray(source).convert("L").convert("RGB"))
        returned = run_tiles(model, one_way.translated, reverse, half(1))
        change, difference = (
            np.abs(image.astype(np.float32) - source).mean(2) / 127.5 for image in (one_way.translated, returned)
        )
        result = Cycle(
            shown(source),
            shown(one_way.translated),
            _heat(change),
            shown(returned),
            _heat(difference),
            float(difference.mean()),
        )
        return result, 5 * DISPLAY_SIDE * DISPLAY_SIDE

    return _cached(Cycle, request, file, make)


def png(request: TranslationRequest, file: ImageFile) -> bytes:
    """The translation as a PNG of the image's own size."""
    return preview.png(Image.fromarray(translate(request, file).pixels), compress_level=3)


def archive(request: TranslationRequest, files: Sequence[ImageFile], domain: str) -> bytes:
    """A zip of the translations as PNGs; equal names are numbered."""
    buffer, taken = io.BytesIO(), set[str]()
    with queued(), zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as packed:
        for file in files[:MAX_IMAGES]:
            name = result_name(file, domain)
            number = 2
            while name in taken:
                name = f"{PurePath(result_name(file, domain)).stem}-{number}.png"
                number += 1
            taken.add(name)
            packed.writestr(name, png(request, file))
    return buffer.getvalue()


# ------------------------------------------------------------------------------ inside


@dataclass(frozen=True)
class _OneWay:
    """An image at the network's working size and its translation, both uint8 (H, W, 3)."""

    source: np.ndarray
    translated: np.ndarray
    seconds: float


def _heat(difference: np.ndarray) -> Shown:
    return shown(to_colours(difference / HEAT_TOP))


def _one_way(
    request: TranslationRequest, file: ImageFile, reduced: np.ndarray | None, on_progress: Progress | None
) -> _OneWay:
    """The translation at the working size; `reduced` is the image at that size if it is already decoded."""

    def make(model: Model) -> tuple[_OneWay, int]:
        source = reduced
        if source is None:
            source_image = image_decoders.decode_whole(file.raw)
            source = _reduced(model, request, full_size.split_alpha(source_image)[0])
            del source_image
        began = time.perf_counter()
        translated = run_tiles(model, source, request.direction, on_progress)
        return _OneWay(source, translated, time.perf_counter() - began), source.nbytes + translated.nbytes

    return _cached(_OneWay, request, file, make)


def _cached(what: type[T], request: TranslationRequest, file: ImageFile, make: Callable[[Model], tuple[T, int]]) -> T:
    model, key = run(lambda: _translator(request))
    return cached(what, (key, request.direction, request.detail), file.raw, lambda: make(model))


def _translator(request: TranslationRequest) -> tuple[Model, ModelKey]:
    model, key = model_of(request.model, request.step)
    if not isinstance(model, SupportsTranslation):
        raise CapabilityError(
            f"{request.model} does not translate pictures; choose a model that does, such as a CycleGAN"
        )
    return model, key


def _is_grey(model: Model) -> bool:
    return bool(model.config.shape[0] == 1)


def _reduced(model: Model, request: TranslationRequest, colours: np.ndarray) -> np.ndarray:
    """The image at the network's working size, which is never larger than its own.

    Raises DataError if the image is too elongated.
    """
    height, width = colours.shape[:2]
    tiled.check_shape(width, height)
    factor = min(1.0, (_MAX_PIXELS / (height * width)) ** 0.5)
    if request.detail:
        factor = min(factor, request.detail * min(model.config.shape[1:]) / min(height, width))
    size = max(1, round(width * factor)), max(1, round(height * factor))
    return full_size.resized(colours, *tiled.working_size(model, *size, TILE))


def _probabilities(request: TranslationRequest, *images: np.ndarray) -> tuple[float, float] | None:
    """The reference classifier's probabilities of the target domain for the central squares, as in its training."""
    info = classifier_of(RunFolder(catalog.find(plain(request.model))).spec().data_spec)
    if info is None or info.image_shape is None:
        return None
    squares = [image_files.fit_array(pixels, info.image_shape[1], info.image_shape[0]) for pixels in images]
    x = to_float(torch.from_numpy(np.stack(squares)))
    with background():
        second = run(lambda: probability_of_b(model_of(info.name, None)[0], x), divided=True)
    before, after = (second if request.direction == "a_to_b" else 1 - second).tolist()
    return before, after
