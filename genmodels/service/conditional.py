"""The conditional page's requests: every class by seed, one class in many hands, the way from one class to another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from PIL import Image
from pydantic import Field
from torch import Tensor

from genmodels import catalog, latent
from genmodels.capabilities import SupportsLatent
from genmodels.catalog import CheckpointInfo
from genmodels.config import Frozen
from genmodels.errors import CapabilityError
from genmodels.evaluation import reference_classifier
from genmodels.images import preview
from genmodels.model import Model
from genmodels.service import gif
from genmodels.service.fair_queue import background, queued
from genmodels.service.inference import Reading, condition_of, enlarge, has_judge, model_of, run, to_image

MAX_CLASSES, SEEDS, STEPS, MORPH_SEEDS = preview.MAX_CLASS_COLUMNS, 10, 12, 4
_FRAMES, _REST = 24, 8  # pictures of an animation one way, and how much longer it stays at either end


class Asking(Frozen):
    """Which model is asked, and the first of the seeds it draws from: seed, seed + 1, ..."""

    model: str = Field(min_length=1, max_length=200, description="name of a checkpoint or run")
    step: int | None = Field(None, ge=0, description="saved step; empty takes the newest")
    seed: int = Field(0, description="first seed, any integer; the next ones follow it")


@dataclass(frozen=True)
class Cell:
    """One picture: its seed, the class asked for (None between two classes), and what the judge reads in it."""

    seed: int
    asked: int | None
    reading: Reading | None


@dataclass(frozen=True)
class Sheet:
    """Pictures in rows of `columns`, side by side in one PNG, `width` x `height` pixels each, one pixel a pixel."""

    png: bytes
    width: int
    height: int
    columns: int
    cells: tuple[Cell, ...]


def checkpoints() -> tuple[CheckpointInfo, ...]:
    """The checkpoints and runs that can be asked for a class at a chosen z, published ones first."""
    return tuple(info for info in catalog.list_checkpoints() if "latent" in info.capabilities and info.askable)


def every_class(asking: Asking) -> Sheet:
    """A column a class, the first MAX_CLASSES of them, and a row a seed: SEEDS rows.

    Raises UnknownNameError, CheckpointError, or CapabilityError for a model that cannot be asked.
    """
    with background():
        return run(lambda: _sheet(asking, *_every_class(asking)), divided=True)


def one_class(asking: Asking, label: int) -> Sheet:
    """STEPS pictures of one class, a seed each; raises also ConfigError for a class the model does not have."""
    return run(lambda: _sheet(asking, *_one_class(asking, label)))


def between(asking: Asking, start: int, end: int) -> Sheet:
    """A row a seed, MORPH_SEEDS of them; along it the weight moves evenly from class `start` to `end`, in STEPS."""
    with background():
        return run(lambda: _sheet(asking, *_between(asking, start, end, STEPS)), divided=True)


def agreement(sheet: Sheet) -> tuple[int, int] | None:
    """How many pictures the judge reads as asked, of how many; None where no judge can read them."""
    judged = [cell for cell in sheet.cells if cell.reading is not None and cell.asked is not None]
    return (sum(as_asked(cell) for cell in judged), len(judged)) if judged else None


def as_asked(cell: Cell) -> bool:
    """Whether the judge reads what was asked for; its classes are the digits, in their order."""
    return cell.reading is not None and cell.reading.label == str(cell.asked)


def every_class_png(asking: Asking, side: int = 56) -> bytes:
    """The classes by seed for keeping, pictures about `side` pixels wide."""
    with background():
        return run(lambda: _kept(asking, *_every_class(asking), side), divided=True)


def one_class_png(asking: Asking, label: int, side: int = 112) -> bytes:
    """The row of one class for keeping."""
    with background():
        return run(lambda: _kept(asking, *_one_class(asking, label), side), divided=True)


def between_png(asking: Asking, start: int, end: int, side: int = 112) -> bytes:
    """The ways between two classes for keeping."""
    with background():
        return run(lambda: _kept(asking, *_between(asking, start, end, STEPS), side), divided=True)


def between_gif(asking: Asking, start: int, end: int, *, side: int = 112, milliseconds: int = 60) -> bytes:
    """An endless GIF: all MORPH_SEEDS side by side go from one class to the other, rest, and come back."""

    def pictures() -> list[Image.Image]:
        cells, weights, _ = _between(asking, start, end, _FRAMES)
        drawn = _drawn(asking, [seed for seed, _ in cells], weights)
        rows = drawn.view(MORPH_SEEDS, _FRAMES, *drawn.shape[1:])
        return [
            enlarge(preview.grid(rows[:, index], MORPH_SEEDS, scale=1), side * MORPH_SEEDS) for index in range(_FRAMES)
        ]

    with queued():
        there = run(pictures, divided=True)
        frames = [*there, *there[-2:0:-1]]
        durations = [milliseconds * (_REST if index in (0, _FRAMES - 1) else 1) for index in range(len(frames))]
        return gif.encode(frames, duration=durations, loop=0, optimize=False)


# --------------------------------------------------------------------- on the inference thread

Cells = list[tuple[int, int | None]]  # seed and class asked for, of each picture


def _model(asking: Asking) -> Model:
    model = model_of(asking.model, asking.step)[0]
    if not isinstance(model, SupportsLatent) or not preview.requested_labels(model):
        raise CapabilityError(f"{asking.model} cannot be asked for a class; choose a conditional model")
    return model


def _weights(model: Model, labels: Sequence[int]) -> Tensor:
    condition = condition_of(model, labels)
    assert condition is not None  # _model raised otherwise
    return condition["label"]


def _every_class(asking: Asking) -> tuple[Cells, Tensor, int]:
    model = _model(asking)
    labels = preview.requested_labels(model)[:MAX_CLASSES]
    cells: Cells = [(asking.seed + row, label) for row in range(SEEDS) for label in labels]
    return cells, _weights(model, labels * SEEDS), len(labels)


def _one_class(asking: Asking, label: int) -> tuple[Cells, Tensor, int]:
    cells: Cells = [(asking.seed + index, label) for index in range(STEPS)]
    return cells, _weights(_model(asking), [label] * STEPS), STEPS


def _between(asking: Asking, start: int, end: int, steps: int) -> tuple[Cells, Tensor, int]:
    a, b = _weights(_model(asking), [start, end])
    way = torch.stack([torch.lerp(a, b, index / (steps - 1)) for index in range(steps)])
    asked = [start, *[None] * (steps - 2), end]
    cells: Cells = [(asking.seed + row, label) for row in range(MORPH_SEEDS) for label in asked]
    return cells, way.repeat(MORPH_SEEDS, 1), steps


def _drawn(asking: Asking, seeds: Sequence[int], weights: Tensor) -> Tensor:
    """Pictures (N, C, H, W) of the seeds' z, asked for by weights (N, K)."""
    model = _model(asking)
    assert isinstance(model, SupportsLatent)  # _model raised otherwise
    z = latent.z_of_seeds(seeds, model.latent_dim).to(model.device)
    return model.decode(z, condition={"label": weights}).float().cpu()


def _sheet(asking: Asking, cells: Cells, weights: Tensor, columns: int) -> Sheet:
    pictures = _drawn(asking, [seed for seed, _ in cells], weights)
    readings: list[Reading | None] = [None] * len(cells)
    if has_judge(asking.model):
        best, index = reference_classifier.probabilities(pictures).max(1)
        readings = [Reading(str(i), p) for i, p in zip(index.tolist(), best.tolist(), strict=True)]
    image = preview.grid(pictures, columns, scale=1, pad=0)
    found = tuple(Cell(*cell, reading) for cell, reading in zip(cells, readings, strict=True))
    one = to_image(pictures[:1])
    return Sheet(preview.png(image, compress_level=1), one.width, one.height, columns, found)


def _kept(asking: Asking, cells: Cells, weights: Tensor, columns: int, side: int) -> bytes:
    pictures = _drawn(asking, [seed for seed, _ in cells], weights)
    return preview.png(enlarge(preview.grid(pictures, columns, scale=1), side * columns))
