"""The paint page's requests: pictures painted row by row, and halves of digits completed.

A painting is advanced a few rows at a time, each a short task on the inference thread: so it can be watched and
stopped, and other visitors' pictures come in between. What is painted is its only state: one that was stopped goes on
from there, and ends as if it had never stopped.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from pydantic import Field
from torch import Tensor

from genmodels import catalog, registry
from genmodels.capabilities import Condition, SupportsPixelSampling
from genmodels.catalog import CheckpointInfo
from genmodels.config import Frozen
from genmodels.errors import CapabilityError, ConfigError, GenmodelsError
from genmodels.evaluation import reference_classifier
from genmodels.evaluation.likelihood import BINARY_SEED
from genmodels.images import preview
from genmodels.model import Model
from genmodels.networks.pixel_settings import PixelSettings
from genmodels.runfolder import RunFolder
from genmodels.sampling.pixels import UNPAINTED
from genmodels.seeding import generator_of
from genmodels.service.fair_queue import background
from genmodels.service.inference import Reading, condition_of, has_judge, model_of, plain, run

MAX_PICTURES, MIN_TEMPERATURE, MAX_TEMPERATURE = 16, 0.1, 2.0
_MAX_PIXELS = 16 * 64 * 64  # of all pictures of one painting: about half a minute of the published networks
_log = logging.getLogger(__name__)


class Asking(Frozen):
    """What is painted: by which model, from which seeds (seed, seed + 1, ...), of which class, how boldly."""

    model: str = Field(min_length=1, max_length=200, description="name of a checkpoint or run")
    step: int | None = Field(None, ge=0, description="saved step; empty takes the newest")
    seed: int = Field(0, description="first seed, any integer; the next ones follow it")
    count: int = Field(8, ge=1, le=MAX_PICTURES, description="pictures painted side by side")
    label: int | None = Field(None, ge=0, lt=10_000, description="class to ask for; empty: each seed draws its own")
    temperature: float = Field(
        1.0, ge=MIN_TEMPERATURE, le=MAX_TEMPERATURE, description="below 1 likely levels become likelier"
    )
    top_k: int | None = Field(None, ge=1, le=256, description="only the k likeliest levels; empty: all of them")


@dataclass(frozen=True)
class Facts:
    """What a page must know of a model before it asks: shape of a picture, levels of a value."""

    channels: int
    height: int
    width: int
    levels: int

    @property
    def pixels(self) -> int:
        return self.height * self.width


@dataclass(eq=False)
class Painting:
    """Pictures (N, C, H, W) in [-1, 1] on CPU, finished down to `rows`; the first `given` rows were not painted.

    `labels` are the classes told, one a picture; None for a model without classes.
    """

    asking: Asking
    canvas: Tensor
    given: int
    labels: tuple[int, ...] | None
    rows: int
    _coming: Iterator[Tensor] | None = field(default=None, repr=False)
    _logits: dict[tuple[int, int], Tensor] = field(default_factory=dict, repr=False)

    @property
    def height(self) -> int:
        return int(self.canvas.shape[2])

    @property
    def done(self) -> bool:
        return self.rows >= self.height

    @property
    def seeds(self) -> tuple[int, ...]:
        return tuple(range(self.asking.seed, self.asking.seed + len(self.canvas)))


# ------------------------------------------------------------------------------ which models


def painters() -> tuple[CheckpointInfo, ...]:
    """Checkpoints and runs that paint pictures value by value, published ones first."""
    return tuple(
        info
        for info in catalog.list_checkpoints()
        if info.modality == "image" and {"progressive_sampling", "completion"} <= set(info.capabilities)
    )


def facts(name: str) -> Facts:
    """Of a checkpoint, from its config alone; raises CapabilityError for a model that does not paint."""
    spec = RunFolder(catalog.find(plain(name))).spec()
    config = registry.config_class(spec.model).parse(spec.config, "model.")
    if not isinstance(config, PixelSettings):
        raise CapabilityError(f"{name} does not paint pixel by pixel; choose a PixelCNN")
    channels, height, width = config.image_shape or spec.data_spec.image_shape or (1, 1, 1)
    return Facts(channels, height, width, config.levels)


def most_pictures(known: Facts) -> int:
    """How many pictures of a model can be painted side by side; 0 where one is too large already."""
    return min(MAX_PICTURES, _MAX_PIXELS // known.pixels)


# ------------------------------------------------------------------------------ painting


def begin(asking: Asking, picture: Tensor | None = None, given: int = 0) -> Painting:
    """A painting of which nothing is painted yet but, with `picture` (1, C, H, W), its first `given` rows.

    Raises UnknownNameError, CheckpointError, CapabilityError, and ConfigError for a class, a top_k or a number of rows
    that the model does not have.
    """
    known = facts(asking.model)
    most = most_pictures(known)
    if asking.count > most:
        raise ConfigError(
            f"count = {asking.count} pictures of {known.height} x {known.width} are too many; choose 1 to {most}"
            if most
            else f"pictures of {known.height} x {known.width} are too large to be painted here; use sample() in Python"
        )
    if asking.top_k is not None and asking.top_k > known.levels:
        raise ConfigError(f"top_k = {asking.top_k} is not allowed: choose 1 to {known.levels}, or none for all levels")
    if not 0 <= given < known.height:
        raise ConfigError(f"given = {given} rows are not allowed: choose 0 to {known.height - 1}")
    canvas = torch.full((asking.count, known.channels, known.height, known.width), UNPAINTED)

    def task() -> Painting:
        model = painter_of(asking)
        labels = _labels(model, asking)
        if picture is not None:
            canvas[:, :, :given] = on_levels(model, picture)[:, :, :given]
        return Painting(asking, canvas, given, labels, given)

    return run(task)


def advance(painting: Painting, rows: int = 1) -> None:
    """Paint the next `rows` rows; raises GenmodelsError, behind which it goes on from the rows that are there."""

    def task() -> None:
        if painting._coming is None:
            painting._coming = _rows(painting)
        painting.canvas = next(painting._coming).float().cpu()
        painting.rows += 1

    try:
        with background():
            for _ in range(min(rows, painting.height - painting.rows)):
                run(task)
    except GenmodelsError:
        stop(painting)  # a generator that has raised is at its end: the next rows need a new one
        raise
    except Exception as error:
        stop(painting)
        _log.exception("painting row %d of %s failed", painting.rows, painting.asking)
        raise GenmodelsError(
            f"row {painting.rows + 1} could not be painted: the server has met a fault and noted it in its log; "
            "go on to try it again"
        ) from error
    if painting.done:
        stop(painting)


def stop(painting: Painting) -> None:
    """Give up the caches; `advance` goes on from what is painted, and comes to the same pictures."""
    painting._coming = None


def readings(painting: Painting) -> tuple[Reading | None, ...]:
    """What the judge reads in each finished picture; None where it cannot read them, or they are not finished."""
    if not painting.done or not has_judge(painting.asking.model):
        return (None,) * len(painting.canvas)

    def task() -> tuple[Reading, ...]:
        best, index = reference_classifier.probabilities(painting.canvas).max(1)
        return tuple(Reading(str(i), p) for i, p in zip(index.tolist(), best.tolist(), strict=True))

    return run(task)


# ------------------------------------------------------------------------------ on the inference thread


def painter_of(asking: Asking) -> SupportsPixelSampling:
    """The model, on the inference thread only; raises CapabilityError for one that does not paint."""
    return as_painter(model_of(asking.model, asking.step)[0], asking.model)


def as_painter(model: Model, name: str) -> SupportsPixelSampling:
    if not isinstance(model, SupportsPixelSampling):
        raise CapabilityError(f"{name} does not paint pixel by pixel; choose a PixelCNN")
    return model


def on_levels(model: SupportsPixelSampling, picture: Tensor) -> Tensor:
    """A real picture (1, C, H, W) as the model has learned them: on its levels, drawn ones always in the same way."""
    return model.to_levels(picture, generator=torch.Generator().manual_seed(BINARY_SEED))


def device_of(model: SupportsPixelSampling) -> torch.device:
    assert isinstance(model, Model)
    return model.device


def told_of(model: SupportsPixelSampling, labels: tuple[int, ...] | None) -> Condition:
    assert isinstance(model, Model)
    return None if labels is None else condition_of(model, labels)


def _generators(asking: Asking) -> list[torch.Generator]:
    return [generator_of(asking.seed + index) for index in range(asking.count)]


def _labels(model: SupportsPixelSampling, asking: Asking) -> tuple[int, ...] | None:
    """The classes told; where none is asked for, those the model itself would draw, so that they can be named."""
    classes = model.config.conditions.get("label", 0)
    if asking.label is not None:
        assert isinstance(model, Model)
        return tuple(preview.requested_labels(model, [asking.label] * asking.count))
    if not classes:
        return None
    return tuple(int(torch.randint(0, classes, (1,), generator=generator)) for generator in _generators(asking))


def _rows(painting: Painting) -> Iterator[Tensor]:
    asking, model = painting.asking, painter_of(painting.asking)
    _, _, height, width = painting.canvas.shape
    known = torch.arange(height)[:, None].expand(height, width) < painting.rows
    return model.complete(
        painting.canvas,
        known,
        condition=told_of(model, painting.labels),
        generator=_generators(asking),
        temperature=asking.temperature,
        top_k=asking.top_k,
    )
