"""The translate page's requests: a picture of any size as the other kind, and what the way there and back loses.

A large picture takes a minute, in tiles: each is a task of its own for the inference thread, so that whatever other
visitors ask for is answered between two tiles.
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

from genmodels import catalog
from genmodels.capabilities import Direction, SupportsTranslation
from genmodels.catalog import CheckpointInfo
from genmodels.config import Frozen
from genmodels.data import pictures
from genmodels.data.loader import to_float
from genmodels.errors import CapabilityError
from genmodels.evaluation.translation_metrics import classifier_of, probability_of_b
from genmodels.images import preview, tiled
from genmodels.images.tiled import Progress
from genmodels.model import Model
from genmodels.runfolder import RunFolder
from genmodels.service.fair_queue import background, queued
from genmodels.service.heat import heat_map
from genmodels.service.inference import ModelKey, model_of, plain, run
from genmodels.service.translate.given import Upload, file_name
from genmodels.service.whole_pictures import SHOWN, TILE, Shown, once, shown, stepwise

MAX_PICTURES, MAX_MB = 12, pictures.MAX_FILE_BYTES >> 20
DETAILS = (1, 2, 4, 0)
"""How large a picture is translated: its shorter side as so many times the training pictures', 0 as it is."""
HEAT_TOP = 0.5
"""Difference, of 2 at most, that the heat map paints in its lightest colour."""
_MOST_WORKED = 16_000_000  # pixels; what is larger is reduced to so many, translated and enlarged

T = TypeVar("T")


class Asking(Frozen):
    """Which model translates, which way, and how large."""

    model: str = Field(min_length=1, max_length=200, description="name of a checkpoint or run")
    step: int | None = Field(None, ge=0, description="saved step; empty takes the newest")
    direction: Direction = Field("a_to_b", description="from the first kind to the second, or back")
    detail: int = Field(
        1, ge=0, le=16, description="shorter side as so many times the training pictures'; 0 takes the picture's own"
    )


@dataclass(frozen=True)
class Translated:
    """A picture and its translation; `worked` is the size at which it went through the network, (width, height).

    `laid` where only the change was enlarged and laid on the picture.
    `sure` is how sure the judge is, 0 to 1, that picture and translation are of the kind it is translated to; None
    where nobody has published one of these two kinds.
    """

    before: Shown
    after: Shown
    pixels: np.ndarray
    worked: tuple[int, int]
    laid: bool
    seconds: float
    sure: tuple[float, float] | None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the picture and of its translation."""
        return self.pixels.shape[1], self.pixels.shape[0]


@dataclass(frozen=True)
class Trip:
    """There and back: the picture as it went in, translated, returned; where it was changed, and where it differs now.

    `error` is the mean absolute difference of given and returned in [-1, 1], 2 at most.
    """

    before: Shown
    there: Shown
    changed: Shown
    back: Shown
    heat: Shown
    error: float


def checkpoints() -> tuple[CheckpointInfo, ...]:
    """The checkpoints and runs that translate pictures, published ones first."""
    return tuple(info for info in catalog.list_checkpoints() if "translation" in info.capabilities)


def kinds(info: CheckpointInfo) -> tuple[str, str]:
    """The two kinds by name, A and B."""
    return (info.classes[0], info.classes[1]) if len(info.classes) == 2 else ("A", "B")


def training_side(info: CheckpointInfo) -> int:
    """The shorter side of the pictures it was trained on."""
    return min((info.image_shape or (0, 1, 1))[1:])


# ------------------------------------------------------------------------------ translating


def translate(asked: Asking, upload: Upload, on_progress: Progress | None = None) -> Translated:
    """A file's picture as the other kind, at its own size; kept, so that asking again costs nothing.

    Turned as its EXIF orientation says; transparency is laid on white and given back. `on_progress(done, total)` is
    called after each tile, on the caller's thread. Raises DataError for a file that is no picture or too large,
    CapabilityError for a model that does not translate, UnknownNameError and CheckpointError.
    """

    def make(model: Model) -> tuple[Translated, int]:
        picture = pictures.decode_whole(upload.raw, served=True)
        before, (height, width) = shown(picture), picture.shape[:2]
        colours, alpha = tiled.without_alpha(picture)
        worked = _reduced(model, asked, colours)
        whole = colours if tiled.keeps_surroundings(model) else None
        del picture, colours  # up to 0.2 GB; most models need none of it while the network works for minutes
        way = _way(asked, upload, worked, on_progress)
        pixels = tiled.brought_back(way.there, way.worked, whole, (width, height))
        if alpha is not None:
            pixels = np.concatenate([pixels, alpha], 2)
        size, sure = (way.worked.shape[1], way.worked.shape[0]), _judged(asked, way.worked, way.there)
        return Translated(before, shown(pixels), pixels, size, whole is not None, way.seconds, sure), pixels.nbytes

    return _once(Translated, asked, upload, make)


def round_trip(asked: Asking, upload: Upload, on_progress: Progress | None = None) -> Trip:
    """There and back again, at the size at which the network works; raises what `translate` does.

    The way there is that of `translate`, and walked once.
    """
    back_again: Direction = "b_to_a" if asked.direction == "a_to_b" else "a_to_b"

    def half(part: int) -> Progress | None:
        return None if on_progress is None else lambda done, total: on_progress(done + part * total, 2 * total)

    def make(model: Model) -> tuple[Trip, int]:
        way = _way(asked, upload, None, half(0))
        worked = way.worked
        if _is_grey(model):  # it never saw the colours, so they are not what it loses
            worked = np.asarray(Image.fromarray(worked).convert("L").convert("RGB"))
        back = stepwise(model, way.there, back_again, half(1))
        changed, away = (np.abs(end.astype(np.float32) - worked).mean(2) / 127.5 for end in (way.there, back))
        trip = Trip(shown(worked), shown(way.there), _map(changed), shown(back), _map(away), float(away.mean()))
        return trip, 5 * SHOWN * SHOWN

    return _once(Trip, asked, upload, make)


def png(asked: Asking, upload: Upload) -> bytes:
    """The translation as a PNG of the picture's own size."""
    return preview.png(Image.fromarray(translate(asked, upload).pixels), compress_level=3)


def archive(asked: Asking, uploads: Sequence[Upload], kind: str) -> bytes:
    """A zip of the translations as PNGs; pictures of one name are numbered."""
    buffer, taken = io.BytesIO(), set[str]()
    with queued(), zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as packed:
        for upload in uploads[:MAX_PICTURES]:
            name = file_name(upload, kind)
            number = 2
            while name in taken:
                name = f"{PurePath(file_name(upload, kind)).stem}-{number}.png"
                number += 1
            taken.add(name)
            packed.writestr(name, png(asked, upload))
    return buffer.getvalue()


# ------------------------------------------------------------------------------ inside


@dataclass(frozen=True)
class _Way:
    """A picture at the size at which it is translated, and its translation, both uint8 (H, W, 3)."""

    worked: np.ndarray
    there: np.ndarray
    seconds: float


def _map(apart: np.ndarray) -> Shown:
    return shown(heat_map(apart / HEAT_TOP))


def _way(asked: Asking, upload: Upload, reduced: np.ndarray | None, on_progress: Progress | None) -> _Way:
    """The file translated at that size; `reduced` is the picture at it where it has been decoded already."""

    def make(model: Model) -> tuple[_Way, int]:
        worked = reduced
        if worked is None:
            picture = pictures.decode_whole(upload.raw, served=True)
            worked = _reduced(model, asked, tiled.without_alpha(picture)[0])
            del picture
        began = time.perf_counter()
        there = stepwise(model, worked, asked.direction, on_progress)
        return _Way(worked, there, time.perf_counter() - began), worked.nbytes + there.nbytes

    return _once(_Way, asked, upload, make)


def _once(what: type[T], asked: Asking, upload: Upload, make: Callable[[Model], tuple[T, int]]) -> T:
    """What `make` makes of the file, kept by weights and wishes."""
    model, key = run(lambda: _translator(asked))
    return once(what, (key, asked.direction, asked.detail), upload.raw, lambda: make(model))


def _translator(asked: Asking) -> tuple[Model, ModelKey]:
    model, key = model_of(asked.model, asked.step)
    if not isinstance(model, SupportsTranslation):
        raise CapabilityError(
            f"{asked.model} does not translate pictures; choose a model that does, such as a CycleGAN"
        )
    return model, key


def _is_grey(model: Model) -> bool:
    return (model.config.image_shape or (3,))[0] == 1


def _reduced(model: Model, asked: Asking, colours: np.ndarray) -> np.ndarray:
    """The picture at the size it is to be translated at; it is never enlarged for that.

    Raises DataError where it is many times as long as it is wide.
    """
    height, width = colours.shape[:2]
    tiled.check_shape(width, height)
    factor = min(1.0, (_MOST_WORKED / (height * width)) ** 0.5)
    if asked.detail:
        factor = min(factor, asked.detail * min((model.config.image_shape or (0, 1, 1))[1:]) / min(height, width))
    size = max(1, round(width * factor)), max(1, round(height * factor))
    return tiled.resized(colours, *tiled.worked_size(model, *size, TILE))


def _judged(asked: Asking, *found: np.ndarray) -> tuple[float, float] | None:
    """What the judge says of the square at the middle of picture and translation: that is how it learned."""
    info = classifier_of(RunFolder(catalog.find(plain(asked.model))).spec().data_spec)
    if info is None or info.image_shape is None:
        return None
    squares = [pictures.fit_array(pixels, info.image_shape[1], info.image_shape[0]) for pixels in found]
    x = to_float(torch.from_numpy(np.stack(squares)))
    with background():
        second = run(lambda: probability_of_b(model_of(info.name, None)[0], x), divided=True)
    before, after = (second if asked.direction == "a_to_b" else 1 - second).tolist()
    return before, after
