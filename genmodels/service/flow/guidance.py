"""Guidance against variety: samples and metrics over guidance scales, published ones or measured here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import torch
from pydantic import Field
from torch import Tensor

from genmodels import data
from genmodels.data import DataConfig
from genmodels.errors import CapabilityError, CheckpointError
from genmodels.evaluation import guidance
from genmodels.evaluation.guidance import SCALES, GuidancePoint
from genmodels.evaluation.splits import shuffled
from genmodels.images import preview
from genmodels.model import Model
from genmodels.runs.catalog import CheckpointInfo
from genmodels.runs.files import read_json
from genmodels.runs.folder import MEASURED, RunFolder
from genmodels.service import inference
from genmodels.service.cache import LRU
from genmodels.service.dataset_images import test_images
from genmodels.service.fair_queue import queued
from genmodels.service.flow import check_guidance, config_of, flow_of, max_images, noise_of
from genmodels.service.inference import ModelKey, condition_of, enlarge, has_judge, key_of, model_of, run
from genmodels.service.requests import ModelRequest

SAMPLES, ROWS = 200, 6
"""Generated digits per scale of a measurement here, and seeds of a sheet."""
_BATCH = 20


class ScalesRequest(ModelRequest):
    """A model, the first of ROWS seeds, and the class of the samples."""

    seed: int = Field(0, description="first seed, any integer; the next ones follow it")
    label: int = Field(0, ge=0, lt=10_000, description="class of the samples")


@dataclass(frozen=True)
class Sheet:
    """One column per scale of SCALES, one row per seed, in a PNG that is not enlarged."""

    png: bytes
    width: int
    height: int
    rows: int


@dataclass(frozen=True)
class Curve:
    """A point per guidance scale, and the number of generated digits per point; `published`: from the card."""

    points: tuple[GuidancePoint, ...]
    samples: int
    published: bool


_sheets: LRU[tuple[ModelKey, ScalesRequest], Sheet] = LRU(16)
_curves: LRU[ModelKey, Curve] = LRU(64)


def sheet(request: ScalesRequest) -> Sheet:
    """The samples of the seeds at every scale, with the model's own solver; cached. Raises as `flow.film`."""

    def compute() -> Sheet:
        images = _samples(request)
        rows, columns = len(images) // len(SCALES), len(SCALES)
        return Sheet(inference.sheet_png(images, columns), images.shape[3], images.shape[2], rows)

    return _sheets.get_or_compute((key_of(request.model, request.step), request), compute)


def sheet_png(request: ScalesRequest, side: int = 84) -> bytes:
    """`sheet` as a file, images about `side` pixels wide."""
    grid = preview.grid(_samples(request), len(SCALES), scale=1)
    return preview.png(enlarge(grid, side * len(SCALES)))


def can_measure(info: CheckpointInfo) -> bool:
    """Whether a curve can be measured: the model generates digits by class, and there is a reference classifier."""
    return len(info.condition_names) == 10 and has_judge(info.name)


def curve(info: CheckpointInfo, step: int) -> Curve | None:
    """The published curve of the newest step, or the one that was measured since the server started; None without."""
    if step == info.steps[-1] and (published := _published(info)) is not None:
        return published
    return _curves.get(key_of(info.name, step))


def measure(info: CheckpointInfo, step: int, report: Callable[[float], None] = lambda done: None) -> Curve:
    """Generate SAMPLES digits per scale and measure them; cached. It takes about a minute, in line with others' work.

    `report` is called with the finished fraction. Raises CapabilityError if the model cannot be measured.
    """
    if not (can_measure(info) and config_of(info.name).guidable):
        raise CapabilityError(
            f"the guidance of {info.name} cannot be measured: it needs a model of the ten digits with condition "
            "dropout, and the reference classifier"
        )
    real = shuffled(test_images(_test_data(info)), SAMPLES)
    points = []
    with queued():
        for index, scale in enumerate(SCALES):
            parts = []
            for first in range(0, SAMPLES, _BATCH):
                parts.append(run(_batch(info.name, step, scale, first), divided=True))
                report((index + (first + _BATCH) / SAMPLES) / len(SCALES))
            points.append(run(lambda scale=scale, parts=parts: guidance.point(scale, torch.cat(parts), real)))  # type: ignore[misc]
    return _curves.get_or_compute(key_of(info.name, step), lambda: Curve(tuple(points), SAMPLES, published=False))


# ------------------------------------------------------------------------------ on the inference threads


def _batch(name: str, step: int, scale: float, first: int) -> Callable[[], Tensor]:
    def task() -> Tensor:
        model: Model = model_of(name, step)[0]
        return guidance.batch(model, scale, first, _BATCH)

    return task


def _samples(request: ScalesRequest) -> Tensor:
    """The images (ROWS x len(SCALES), C, H, W) in [-1, 1], row by row; fewer rows of large images."""
    rows = min(ROWS, max_images(config_of(request.model)))

    def column(scale: float) -> Tensor:
        flow, model, config = flow_of(request.model, request.step)
        check_guidance(request.model, config, scale)
        x = noise_of(range(request.seed, request.seed + rows), config, model.device)
        *_, end = flow.flow(x, condition=condition_of(model, [request.label] * rows), guidance=scale)
        return end.clamp(-1, 1).float().cpu()

    with queued():
        columns = [run(lambda scale=scale: column(scale), divided=True) for scale in SCALES]  # type: ignore[misc]
    return torch.stack(columns, 1).flatten(0, 1)


# ------------------------------------------------------------------------------ on the caller's thread: files only


def _published(info: CheckpointInfo) -> Curve | None:
    """The curve in a checkpoint's metrics file; None without one."""
    path = info.path / MEASURED
    found = read_json(path).get("guidance") if info.published and path.is_file() else None
    if not isinstance(found, dict):
        return None
    names = [field.name for field in fields(GuidancePoint)]
    try:
        points = tuple(GuidancePoint(**{name: float(row[name]) for name in names}) for row in found["points"])
        return Curve(points, int(found["samples"]), published=True)
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{path} does not hold a curve over guidance scales ({error!r}); measure it again with "
            f"`python -m genmodels card {info.path.name} --guidance`"
        ) from error


def _test_data(info: CheckpointInfo) -> DataConfig:
    """The model's own data; the digits that come with the program if it is not on this machine."""
    config = RunFolder(info.path).spec().data
    return config if data.missing(config) is None else DataConfig()
