"""Requests of the conditional page: all classes by seed, one class across seeds, interpolation between two classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from PIL import Image
from pydantic import Field
from torch import Tensor

from genmodels import latent
from genmodels.capabilities import SupportsLatent
from genmodels.errors import CapabilityError
from genmodels.images import preview
from genmodels.model import Model
from genmodels.runs import catalog
from genmodels.runs.catalog import CheckpointInfo
from genmodels.service import gif
from genmodels.service.fair_queue import background, queued
from genmodels.service.inference import (
    PredictedClass,
    condition_of,
    enlarge,
    has_judge,
    model_of,
    predictions_of,
    run,
    sheet_png,
)
from genmodels.service.requests import ModelRequest

MAX_CLASSES, SEEDS, STEPS, MORPH_SEEDS = preview.MAX_CLASS_COLUMNS, 10, 12, 4
_FRAMES, _PAUSE = 24, 8  # frames in one direction; the first and the last are shown 8 times as long


class ConditionalRequest(ModelRequest):
    """A model and its seeds: seed, seed + 1, ..."""

    seed: int = Field(0, description="first seed, any integer; the next ones follow it")


@dataclass(frozen=True)
class Cell:
    """One image: its seed, its class (None between two classes), and what the reference classifier reads."""

    seed: int
    label: int | None
    prediction: PredictedClass | None


@dataclass(frozen=True)
class Sheet:
    """Images in rows of `columns` in one PNG, `width` x `height` pixels each, not enlarged."""

    png: bytes
    width: int
    height: int
    columns: int
    cells: tuple[Cell, ...]


def checkpoints() -> tuple[CheckpointInfo, ...]:
    """Checkpoints and runs that decode z for a given class, published ones first."""
    return tuple(info for info in catalog.list_checkpoints() if "latent" in info.capabilities and info.condition_names)


def every_class(request: ConditionalRequest) -> Sheet:
    """One column per class (at most MAX_CLASSES) and one row per seed (SEEDS rows).

    Raises UnknownNameError, CheckpointError, and CapabilityError if the model is not class-conditional.
    """
    with background():
        return run(lambda: _sheet(request, *_every_class(request)), divided=True)


def one_class(request: ConditionalRequest, label: int) -> Sheet:
    """STEPS images of one class, one per seed; also raises ConfigError if the model does not have the class."""
    with background():
        return run(lambda: _sheet(request, *_one_class(request, label)), divided=True)


def between(request: ConditionalRequest, start: int, end: int) -> Sheet:
    """MORPH_SEEDS rows, one per seed; along a row the condition moves linearly from class `start` to `end` in STEPS."""
    with background():
        return run(lambda: _sheet(request, *_between(request, start, end, STEPS)), divided=True)


def agreement(sheet: Sheet) -> tuple[int, int] | None:
    """(images whose class the reference classifier reads, images with a class); None without such a classifier."""
    judged = [cell for cell in sheet.cells if cell.prediction is not None and cell.label is not None]
    return (sum(agrees(cell) for cell in judged), len(judged)) if judged else None


def agrees(cell: Cell) -> bool:
    """Whether the reference classifier reads the requested class; its classes are the digits in order."""
    return cell.prediction is not None and cell.prediction.label == str(cell.label)


def every_class_png(request: ConditionalRequest, side: int = 56) -> bytes:
    """`every_class` as a file, images about `side` pixels wide."""
    with background():
        return run(lambda: _large_png(request, *_every_class(request), side), divided=True)


def one_class_png(request: ConditionalRequest, label: int, side: int = 112) -> bytes:
    """`one_class` as a file."""
    with background():
        return run(lambda: _large_png(request, *_one_class(request, label), side), divided=True)


def between_png(request: ConditionalRequest, start: int, end: int, side: int = 112) -> bytes:
    """`between` as a file."""
    with background():
        return run(lambda: _large_png(request, *_between(request, start, end, STEPS), side), divided=True)


def between_gif(request: ConditionalRequest, start: int, end: int, *, side: int = 112, milliseconds: int = 60) -> bytes:
    """A looping GIF: MORPH_SEEDS images side by side change from one class to the other and back."""

    def one_way() -> list[Image.Image]:
        cells, weights, _ = _between(request, start, end, _FRAMES)
        images = _decode(request, [seed for seed, _ in cells], weights)
        rows = images.view(MORPH_SEEDS, _FRAMES, *images.shape[1:])
        return [
            enlarge(preview.grid(rows[:, index], MORPH_SEEDS, scale=1), side * MORPH_SEEDS) for index in range(_FRAMES)
        ]

    with queued():
        forward = run(one_way, divided=True)
        frames = [*forward, *forward[-2:0:-1]]
        durations = [milliseconds * (_PAUSE if index in (0, _FRAMES - 1) else 1) for index in range(len(frames))]
        return gif.encode(frames, duration=durations, loop=0, optimize=False)


# --------------------------------------------------------------------- on the inference thread

Cells = list[tuple[int, int | None]]  # (seed, class) of each image


def _model(request: ConditionalRequest) -> Model:
    model = model_of(request.model, request.step)[0]
    if not isinstance(model, SupportsLatent) or not preview.requested_labels(model):
        raise CapabilityError(f"{request.model} is not class-conditional; choose a conditional model")
    return model


def _weights(model: Model, labels: Sequence[int]) -> Tensor:
    condition = condition_of(model, labels)
    assert condition is not None  # _model raised otherwise
    return condition["label"]


def _every_class(request: ConditionalRequest) -> tuple[Cells, Tensor, int]:
    model = _model(request)
    labels = preview.requested_labels(model)[:MAX_CLASSES]
    cells: Cells = [(request.seed + row, label) for row in range(SEEDS) for label in labels]
    return cells, _weights(model, labels * SEEDS), len(labels)


def _one_class(request: ConditionalRequest, label: int) -> tuple[Cells, Tensor, int]:
    cells: Cells = [(request.seed + index, label) for index in range(STEPS)]
    return cells, _weights(_model(request), [label] * STEPS), STEPS


def _between(request: ConditionalRequest, start: int, end: int, steps: int) -> tuple[Cells, Tensor, int]:
    a, b = _weights(_model(request), [start, end])
    weights = torch.stack([torch.lerp(a, b, index / (steps - 1)) for index in range(steps)])
    labels = [start, *[None] * (steps - 2), end]
    cells: Cells = [(request.seed + row, label) for row in range(MORPH_SEEDS) for label in labels]
    return cells, weights.repeat(MORPH_SEEDS, 1), steps


def _decode(request: ConditionalRequest, seeds: Sequence[int], weights: Tensor) -> Tensor:
    """Images (N, C, H, W) of the seeds' z under class weights (N, K)."""
    model = _model(request)
    assert isinstance(model, SupportsLatent)  # _model raised otherwise
    z = latent.z_of_seeds(seeds, model.latent_dim).to(model.device)
    return model.decode(z, condition={"label": weights}).float().cpu()


def _sheet(request: ConditionalRequest, cells: Cells, weights: Tensor, columns: int) -> Sheet:
    images = _decode(request, [seed for seed, _ in cells], weights)
    predictions = predictions_of(images) if has_judge(request.model) else (None,) * len(cells)
    results = tuple(Cell(*cell, prediction) for cell, prediction in zip(cells, predictions, strict=True))
    *_, height, width = images.shape
    return Sheet(sheet_png(images, columns), width, height, columns, results)


def _large_png(request: ConditionalRequest, cells: Cells, weights: Tensor, columns: int, side: int) -> bytes:
    images = _decode(request, [seed for seed, _ in cells], weights)
    return preview.png(enlarge(preview.grid(images, columns, scale=1), side * columns))
