"""The compare page's requests: what several checkpoints draw from the same seeds, and what was measured of them."""

from __future__ import annotations

import io
import math
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from PIL import Image
from pydantic import Field

from genmodels import catalog
from genmodels.catalog import CheckpointInfo
from genmodels.config import Frozen
from genmodels.errors import CapabilityError
from genmodels.evaluation import memorisation, reference_classifier
from genmodels.images import preview
from genmodels.runfolder import RunFolder
from genmodels.service.fair_queue import background
from genmodels.service.inference import ModelKey, enlarge, model_of, run

MIN_MODELS, MAX_MODELS, COLUMNS, ROWS = 2, 4, 5, 6
PICTURES = COLUMNS * ROWS
_SIDE, _KEPT = 280, 64
_DRAWS = frozenset({"sampling", "latent"})

Better = Literal["low", "high", "one", "data", "copies", "none"]


class Drawing(Frozen):
    """One column of the comparison: a checkpoint at a step, and the first of its PICTURES seeds."""

    model: str = Field(min_length=1, max_length=200, description="name of a checkpoint or run")
    step: int | None = Field(None, ge=0, description="saved step; empty takes the newest")
    seed: int = Field(0, description="first seed, any integer; the next ones follow it")


@dataclass(frozen=True)
class Drawn:
    """COLUMNS x ROWS pictures in one PNG, the seeds row after row; `parameters` of the network that draws them.

    One picture alone where a model draws the same whatever the seed: `pictures` is how many there are.
    """

    png: bytes
    parameters: int
    pictures: int


@dataclass(frozen=True)
class Measure:
    """A figure to compare by: its names in `CheckpointInfo.metrics`, and which direction is good.

    `better`: the lowest, the highest, the nearest to 1, the nearest to the real pictures' own figure, no more than what
    new pictures have, or none, where figures of different models are not alike.
    """

    name: str
    metric: str
    better: Better
    needs: Literal["samples", "memory", "judge", "elbo", "likelihood", "label", "always"]
    real: str = ""
    """The metric that says the same of real pictures, where there is one."""


_FAR = "judge/frechet"
MEASURES = (
    Measure("frechet", _FAR, "low", "judge", "judge/frechet_real"),
    Measure("kernel", "judge/kernel", "low", "judge", "judge/kernel_real"),
    Measure("precision", "judge/precision", "high", "judge"),
    Measure("recall", "judge/recall", "high", "judge"),
    Measure("density", "judge/density", "one", "judge"),
    Measure("coverage", "judge/coverage", "high", "judge"),
    Measure("modes", "classes/above_1_percent", "high", "judge"),
    Measure("kl", "classes/kl_uniform", "low", "judge"),
    Measure("agreement", "labels/agreement", "high", "label"),
    Measure("memory", "memory/nearest_ratio", "one", "memory"),
    Measure("copied", "memory/copied_fraction", "copies", "memory"),
    Measure("diversity", "diversity/samples", "data", "samples", "diversity/data"),
    Measure("elbo", "elbo/negative", "low", "elbo"),
    Measure("bits_per_dim", "likelihood/bits_per_dim", "low", "likelihood"),
    Measure("nats", "likelihood/nats", "low", "likelihood"),
    Measure("parameters", "", "low", "always"),
    Measure("seconds", "", "none", "always"),  # on whatever machine each was trained
)


@dataclass(frozen=True)
class Value:
    """One figure of the table; `value` None is not measured, or does not apply to this model."""

    value: float | None
    spread: float | None = None
    applies: bool = True
    best: bool = False


@dataclass(frozen=True)
class Row:
    measure: Measure
    values: tuple[Value, ...]
    real: float | None
    """The same figure of real pictures, where all models have the same data and it was measured."""


def checkpoints() -> tuple[CheckpointInfo, ...]:
    """The checkpoints and runs that draw pictures: published ones first, then those made to draw from random z."""
    found = [info for info in catalog.list_checkpoints() if _DRAWS & {*info.capabilities} and info.modality == "image"]
    return tuple(sorted(found, key=lambda info: (not info.published, "sampling" not in info.capabilities)))


_drawings: OrderedDict[tuple[ModelKey, int], Drawn] = OrderedDict()


def first_shown(infos: Sequence[CheckpointInfo]) -> list[str]:
    """Names in the order in which columns take them while nobody has chosen: the pair that differs most comes first.

    That is what was measured farthest from real pictures and what was measured nearest, of those published.
    """
    distances = {info.name: info.metrics[_FAR] for info in infos if info.published and _FAR in info.metrics}
    pair = [choose(distances, key=distances.__getitem__) for choose in (max, min) if distances]
    return [*dict.fromkeys([*pair, *(info.name for info in infos)])]


def draw(drawing: Drawing) -> Drawn:
    """What a checkpoint draws from its seeds, drawn once: moving one column's step leaves the others as they are.

    Raises UnknownNameError, CheckpointError, or CapabilityError for a model that draws nothing.
    """

    def task() -> Drawn:
        model, key = model_of(drawing.model, drawing.step)
        kept = (key, drawing.seed)
        if kept not in _drawings:
            pictures = preview.samples_of_seeds(model, range(drawing.seed, drawing.seed + PICTURES))
            if pictures is None:
                raise CapabilityError(f"{drawing.model} draws no pictures; choose a VAE or a GAN")
            columns = COLUMNS if len(pictures) > 1 else 1
            image = enlarge(preview.grid(pictures, columns, scale=1, pad=1), _SIDE)
            parameters = sum(
                parameter.numel()
                for name, parameter in model.named_parameters()
                if name.split(".")[0] not in model.training_only
            )
            _drawings[kept] = Drawn(preview.png(image, compress_level=1), parameters, len(pictures))
            while len(_drawings) > _KEPT:
                _drawings.popitem(last=False)
        _drawings.move_to_end(kept)
        return _drawings[kept]

    with background():
        return run(task, divided=True)


def compared_png(drawings: Sequence[Drawing]) -> bytes:
    """All columns side by side for keeping, each about 280 pixels wide, on white."""

    parts = [Image.open(io.BytesIO(draw(drawing).png)).convert("RGB") for drawing in drawings]
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
    """The rows of figures, one value a checkpoint; rows that apply to none are left out.

    Figures are of a checkpoint's newest step: of another step nothing is known. The best of a row is marked where all
    were trained on the same data, and with it whatever cannot be told from it by the spreads; nothing where fewer than
    two were measured, or where none can be told from the others.
    """
    same_data = not different_kinds(infos)
    rows = []
    for measure in MEASURES:
        values = [
            _value(measure, info, step, count) for info, step, count in zip(infos, steps, parameters, strict=True)
        ]
        if any(value.applies for value in values):
            known = (info.metrics[measure.real] for info in infos if measure.real in info.metrics)
            real = next(known, None) if same_data else None
            fair = same_data and (measure.needs != "likelihood" or _same_levels(infos))
            rows.append(Row(measure, tuple(_marked(measure, values, real) if fair else values), real))
    return tuple(rows)


def different_kinds(infos: Sequence[CheckpointInfo]) -> tuple[str, ...]:
    """The data sets the checkpoints were trained on, where that is more than one; empty where all have the same.

    The same photographs at another size, or another number of them, are other data: distances between them differ.
    """
    kinds = tuple(dict.fromkeys(_kind(info) for info in infos))
    if len(kinds) < 2:
        return ()
    alike = len({title for title, *_ in kinds}) < len(kinds)
    return tuple(
        f"{title}, {train:,} of {width} x {height}" if alike else title for title, width, height, train in kinds
    )


def _kind(info: CheckpointInfo) -> tuple[str, int, int, int]:
    _, height, width = info.image_shape or (0, 0, 0)
    return info.data, width, height, RunFolder(info.path).spec().data_spec.train_size


def _same_levels(infos: Sequence[CheckpointInfo]) -> bool:
    """Whether those with a likelihood all guess among as many grey values: black and white is cheaper to foretell."""
    specs = [RunFolder(info.path).spec() for info in infos if "likelihood" in info.capabilities]
    return len({(spec.config.get("levels"), spec.config.get("quantisation")) for spec in specs}) == 1


def _value(measure: Measure, info: CheckpointInfo, step: int, parameters: int) -> Value:
    newest = step == info.steps[-1]
    if measure.name == "parameters":
        return Value(float(parameters))
    if measure.name == "seconds":
        return Value(info.train_seconds if newest else None, applies=newest and info.train_seconds is not None)
    value = info.metrics.get(measure.metric) if newest else None
    spread = info.metrics.get(f"{measure.metric}_spread") if newest else None
    return Value(value, spread, applies=value is not None or _applies(measure, info))


def _applies(measure: Measure, info: CheckpointInfo) -> bool:
    if measure.needs in ("elbo", "likelihood"):
        return measure.needs in info.capabilities
    draws, of = "sampling" in info.capabilities, RunFolder(info.path).spec().data_spec
    if measure.needs == "samples":
        return draws
    if measure.needs == "memory":  # noisy copies of one picture are all near
        return draws and of.target is None
    judged = draws and reference_classifier.applies_to(of)
    return judged and (measure.needs == "judge" or "label" in info.conditions)


def _marked(measure: Measure, values: Sequence[Value], real: float | None) -> list[Value]:
    """The same values, the best ones marked; `real` is the figure of real pictures."""

    def miss(value: Value) -> float:
        if value.value is None:
            return math.inf
        if measure.better == "low":
            return value.value
        if measure.better == "high":
            return -value.value
        if measure.better == "copies":
            return max(0.0, value.value - memorisation.RARE)
        return abs(value.value - (1.0 if measure.better == "one" else real or 0.0))

    measured = [value for value in values if value.value is not None]
    if len(measured) < 2 or measure.better == "none" or (measure.better == "data" and real is None):
        return list(values)
    best = min(measured, key=miss)

    def is_best(value: Value) -> bool:
        return miss(value) - miss(best) <= (value.spread or 0.0) + (best.spread or 0.0)

    if all(is_best(value) for value in measured):
        return list(values)
    return [
        Value(value.value, value.spread, value.applies, best=value.value is not None and is_best(value))
        for value in values
    ]
