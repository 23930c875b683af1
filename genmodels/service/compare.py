"""Requests of the compare page: samples of several checkpoints from the same seeds, and their metrics."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from PIL import Image
from pydantic import Field

from genmodels.errors import CapabilityError
from genmodels.evaluation import memorisation, reference_classifier
from genmodels.images import preview
from genmodels.model import Model
from genmodels.runs import catalog
from genmodels.runs.catalog import CheckpointInfo
from genmodels.runs.folder import RunFolder
from genmodels.service.cache import LRU
from genmodels.service.fair_queue import background
from genmodels.service.inference import ModelKey, enlarge, model_of, run
from genmodels.service.requests import ModelRequest

MIN_MODELS, MAX_MODELS, COLUMNS, ROWS = 2, 4, 5, 6
IMAGES = COLUMNS * ROWS
_SIDE = 280
_GENERATES = frozenset({"sampling", "latent"})

Better = Literal["low", "high", "one", "data", "copies", "none"]


class ColumnRequest(ModelRequest):
    """One column of the comparison: a checkpoint at a step, and the first of its IMAGES seeds."""

    seed: int = Field(0, description="first seed, any integer; the next ones follow it")


@dataclass(frozen=True)
class Column:
    """COLUMNS x ROWS samples in one PNG, seeds row by row, and the number of `parameters` used for sampling.

    `image_count` is the number of samples: 1 if a model generates the same image for every seed.
    """

    png: bytes
    parameters: int
    image_count: int


@dataclass(frozen=True)
class Metric:
    """A metric of the table: its name in `CheckpointInfo.metrics`, and which value is best.

    `better`: low, high, nearest to 1 (one), nearest to the value of real images (data), at most the rate of held-out
    images (copies), or none if the values of different models are not comparable.
    """

    name: str
    key: str
    better: Better
    needs: Literal["samples", "memory", "judge", "elbo", "likelihood", "label", "always"]
    real: str = ""
    """The same metric computed on real images, if there is one."""


_DISTANCE = "judge/frechet"
METRICS = (
    Metric("frechet", _DISTANCE, "low", "judge", "judge/frechet_real"),
    Metric("kernel", "judge/kernel", "low", "judge", "judge/kernel_real"),
    Metric("precision", "judge/precision", "high", "judge"),
    Metric("recall", "judge/recall", "high", "judge"),
    Metric("density", "judge/density", "one", "judge"),
    Metric("coverage", "judge/coverage", "high", "judge"),
    Metric("modes", "classes/above_1_percent", "high", "judge"),
    Metric("kl", "classes/kl_uniform", "low", "judge"),
    Metric("agreement", "labels/agreement", "high", "label"),
    Metric("memory", "memory/nearest_ratio", "one", "memory"),
    Metric("copied", "memory/copied_fraction", "copies", "memory"),
    Metric("diversity", "diversity/samples", "data", "samples", "diversity/data"),
    Metric("elbo", "elbo/negative", "low", "elbo"),
    Metric("bits_per_dim", "likelihood/bits_per_dim", "low", "likelihood"),
    Metric("nats", "likelihood/nats", "low", "likelihood"),
    Metric("parameters", "", "low", "always"),
    Metric("seconds", "", "none", "always"),  # on the machine that trained it
)


@dataclass(frozen=True)
class Value:
    """One value of the table; `value` is None if it was not measured or does not apply to this model."""

    value: float | None
    spread: float | None = None
    applies: bool = True
    best: bool = False


@dataclass(frozen=True)
class Row:
    metric: Metric
    values: tuple[Value, ...]
    real: float | None
    """The value of real images, if it was measured and all models have the same data."""


def checkpoints() -> tuple[CheckpointInfo, ...]:
    """Checkpoints and runs that generate images: published ones first, then those with a sampling distribution."""
    infos = [
        info for info in catalog.list_checkpoints() if _GENERATES & {*info.capabilities} and info.modality == "image"
    ]
    return tuple(sorted(infos, key=lambda info: (not info.published, "sampling" not in info.capabilities)))


_columns: LRU[tuple[ModelKey, int], Column] = LRU(64)


def default_order(infos: Sequence[CheckpointInfo]) -> list[str]:
    """Names in the order in which columns are filled: the published checkpoints farthest from and nearest to the data
    by Fréchet distance, then the others.
    """
    distances = {info.name: info.metrics[_DISTANCE] for info in infos if info.published and _DISTANCE in info.metrics}
    pair = [choose(distances, key=distances.__getitem__) for choose in (max, min) if distances]
    return [*dict.fromkeys([*pair, *(info.name for info in infos)])]


def column(request: ColumnRequest) -> Column:
    """The samples of a checkpoint; cached, so changing one column does not compute the others again.

    Raises UnknownNameError, CheckpointError, and CapabilityError if the model does not generate images.
    """

    def task() -> Column:
        model, key = model_of(request.model, request.step)
        return _columns.get_or_compute((key, request.seed), lambda: _column(model, request))

    with background():
        return run(task, divided=True)


def _column(model: Model, request: ColumnRequest) -> Column:
    images = preview.samples_of_seeds(model, range(request.seed, request.seed + IMAGES))
    if images is None:
        raise CapabilityError(f"{request.model} generates no pictures; choose a VAE or a GAN")
    columns = COLUMNS if len(images) > 1 else 1
    image = enlarge(preview.grid(images, columns, scale=1, pad=1), _SIDE)
    parameters = sum(
        parameter.numel()
        for name, parameter in model.named_parameters()
        if name.split(".")[0] not in model.training_only
    )
    return Column(preview.png(image, compress_level=1), parameters, len(images))


def comparison_png(requests: Sequence[ColumnRequest]) -> bytes:
    """All columns side by side on white as a file, each about 280 pixels wide."""
    parts = [Image.open(io.BytesIO(column(request).png)).convert("RGB") for request in requests]
    gap = 16
    whole = Image.new(
        "RGB", (sum(part.width + gap for part in parts) - gap, max(part.height for part in parts)), "white"
    )
    left = 0
    for part in parts:
        whole.paste(part, (left, 0))
        left += part.width + gap
    return preview.png(whole)


def table(infos: Sequence[CheckpointInfo], steps: Sequence[int], parameters: Sequence[int]) -> tuple[Row, ...]:
    """The rows of metrics, one value per checkpoint; rows that apply to no checkpoint are omitted.

    Metrics are known for the newest step only. If all checkpoints were trained on the same data, the best value of a
    row is marked, with every value that does not differ from it by more than the spreads. Nothing is marked if fewer
    than two values are known or if all would be.
    """
    same_data = not different_data(infos)
    rows = []
    for metric in METRICS:
        values = [
            value_of(metric, info, step, count) for info, step, count in zip(infos, steps, parameters, strict=True)
        ]
        if any(value.applies for value in values):
            known = (info.metrics[metric.real] for info in infos if metric.real in info.metrics)
            real = next(known, None) if same_data else None
            fair = same_data and (metric.needs != "likelihood" or _same_levels(infos))
            rows.append(Row(metric, tuple(_marked(metric, values, real) if fair else values), real))
    return tuple(rows)


def different_data(infos: Sequence[CheckpointInfo]) -> tuple[str, ...]:
    """The data sets of the checkpoints if they differ; empty if all have the same.

    The same images at another size, or another number of them, count as different data: distances are not comparable.
    """
    sets = tuple(dict.fromkeys(_data_of(info) for info in infos))
    if len(sets) < 2:
        return ()
    same_title = len({title for title, *_ in sets}) < len(sets)
    return tuple(
        f"{title}, {train:,} of {width} x {height}" if same_title else title for title, width, height, train in sets
    )


def _data_of(info: CheckpointInfo) -> tuple[str, int, int, int]:
    _, height, width = info.image_shape or (0, 0, 0)
    return info.data, width, height, RunFolder(info.path).spec().data_spec.train_size


def _same_levels(infos: Sequence[CheckpointInfo]) -> bool:
    """Whether all models with a likelihood have the same grey levels: fewer levels need fewer bits."""
    specs = [RunFolder(info.path).spec() for info in infos if "likelihood" in info.capabilities]
    return len({(spec.model.get("levels"), spec.model.get("quantisation")) for spec in specs}) == 1


def value_of(metric: Metric, info: CheckpointInfo, step: int, parameters: int) -> Value:
    """One value of the table; metrics are known for the newest step only."""
    newest = step == info.steps[-1]
    if metric.name == "parameters":
        return Value(float(parameters))
    if metric.name == "seconds":
        return Value(info.train_seconds if newest else None, applies=newest and info.train_seconds is not None)
    value = info.metrics.get(metric.key) if newest else None
    spread = info.metrics.get(f"{metric.key}_spread") if newest else None
    return Value(value, spread, applies=value is not None or _applies(metric, info))


def _applies(metric: Metric, info: CheckpointInfo) -> bool:
    if metric.needs in ("elbo", "likelihood"):
        return metric.needs in info.capabilities
    generates, spec = "sampling" in info.capabilities, RunFolder(info.path).spec().data_spec
    if metric.needs == "samples":
        return generates
    if metric.needs == "memory":  # the noisy copies of a single image are all near each other
        return generates and spec.target is None
    judged = generates and reference_classifier.applies_to(spec)
    return judged and (metric.needs == "judge" or "label" in info.conditions)


def _marked(metric: Metric, values: Sequence[Value], real: float | None) -> list[Value]:
    """The same values with the best ones marked; `real` is the value of real images."""

    def loss(value: Value) -> float:
        if value.value is None:
            return math.inf
        if metric.better == "low":
            return value.value
        if metric.better == "high":
            return -value.value
        if metric.better == "copies":
            return max(0.0, value.value - memorisation.RARE)
        return abs(value.value - (1.0 if metric.better == "one" else real or 0.0))

    measured = [value for value in values if value.value is not None]
    if len(measured) < 2 or metric.better == "none" or (metric.better == "data" and real is None):
        return list(values)
    best = min(measured, key=loss)

    def is_best(value: Value) -> bool:
        return loss(value) - loss(best) <= (value.spread or 0.0) + (best.spread or 0.0)

    if all(is_best(value) for value in measured):
        return list(values)
    return [
        Value(value.value, value.spread, value.applies, best=value.value is not None and is_best(value))
        for value in values
    ]
