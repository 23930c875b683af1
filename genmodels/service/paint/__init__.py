"""Requests of the paint page: images sampled pixel by pixel, and completion of images whose upper rows are known.

A painting advances by a few rows at a time, each a short task on the inference thread, so it can be watched and stopped
while other visitors' requests run in between. The canvas is its only state: a stopped painting continues from there,
and gets the same pixels as one that was never stopped.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from pydantic import Field
from torch import Tensor

from genmodels import registry
from genmodels.capabilities import CodeConfig, Condition, SupportsPixelSampling
from genmodels.errors import CapabilityError, ConfigError, GenmodelsError
from genmodels.evaluation.likelihood import BINARY_SEED
from genmodels.images import preview
from genmodels.model import Model
from genmodels.networks.pixel_settings import PixelSettings
from genmodels.runs import catalog
from genmodels.runs.catalog import CheckpointInfo
from genmodels.runs.folder import RunFolder
from genmodels.sampling.options import SamplingOptions
from genmodels.sampling.pixels import UNKNOWN
from genmodels.seeding import generator_of
from genmodels.service.cache import LRU
from genmodels.service.fair_queue import background
from genmodels.service.inference import PredictedClass, condition_of, has_judge, model_of, plain, predictions_of, run
from genmodels.service.requests import ModelRequest

MAX_IMAGES, MIN_TEMPERATURE, MAX_TEMPERATURE = 16, 0.1, 2.0
_MAX_PIXELS = 16 * 64 * 64  # of all images of one painting: about half a minute with the published networks
_log = logging.getLogger(__name__)


class PaintRequest(ModelRequest):
    """A model, the seeds (seed, seed + 1, ...), a class, and sampling options."""

    seed: int = Field(0, description="first seed, any integer; the next ones follow it")
    count: int = Field(8, ge=1, le=MAX_IMAGES, description="number of images")
    label: int | None = Field(None, ge=0, lt=10_000, description="class; empty: every seed samples its own")
    temperature: float = Field(
        1.0, ge=MIN_TEMPERATURE, le=MAX_TEMPERATURE, description="below 1 likely levels become likelier"
    )
    top_k: int | None = Field(None, ge=1, le=256, description="sample from the k likeliest levels; empty: all of them")

    @property
    def options(self) -> SamplingOptions:
        return SamplingOptions(self.temperature, self.top_k)


@dataclass(frozen=True)
class Facts:
    """The grid that a model samples, and the number of levels of a value.

    The grid is that of the pixels, or of the codes of a VQ-VAE: then a code is a level, and `cell` the side in pixels
    of the part of the image that it stands for.
    """

    channels: int
    height: int
    width: int
    levels: int
    cell: int = 1

    @property
    def pixels(self) -> int:
        return self.height * self.width


@dataclass(eq=False)
class Painting:
    """Images (N, C, H, W) in [-1, 1] on the CPU, finished down to `rows`; the first `known_rows` were not sampled.

    `labels` are the classes, one per image; None for an unconditional model.
    """

    request: PaintRequest
    canvas: Tensor
    known_rows: int
    labels: tuple[int, ...] | None
    rows: int
    _next_rows: Iterator[Tensor] | None = field(default=None, repr=False)
    _logits: LRU[tuple[int, int], Tensor] = field(default_factory=lambda: LRU(2), repr=False)
    """By image and number of finished rows; 256 levels of an image of 28 x 28 take 0.8 MB."""

    @property
    def height(self) -> int:
        return int(self.canvas.shape[2])

    @property
    def done(self) -> bool:
        return self.rows >= self.height

    @property
    def seeds(self) -> tuple[int, ...]:
        return tuple(range(self.request.seed, self.request.seed + len(self.canvas)))


# ------------------------------------------------------------------------------ which models


def checkpoints() -> tuple[CheckpointInfo, ...]:
    """Checkpoints and runs that sample images pixel by pixel or code by code, published ones first."""
    return tuple(
        info
        for info in catalog.list_checkpoints()
        if info.modality == "image" and {"progressive_sampling", "completion"} <= set(info.capabilities)
    )


def facts(name: str) -> Facts:
    """The facts of a checkpoint, from its config alone; raises CapabilityError if it does not sample by pixel."""
    spec = RunFolder(catalog.find(plain(name))).spec()
    config = registry.config_class(spec.family).parse(spec.model, "model.")
    channels, height, width = config.shape
    if isinstance(config, CodeConfig):
        rows, columns = config.code_settings.code_shape
        return Facts(channels, rows, columns, config.code_settings.codes, height // rows)
    if not isinstance(config, PixelSettings):
        raise CapabilityError(f"{name} does not paint pixel by pixel; choose a PixelCNN")
    return Facts(channels, height, width, config.levels)


def has_codes(info: CheckpointInfo) -> bool:
    """Whether the model samples the codes of a VQ-VAE instead of pixels."""
    return "codes" in info.capabilities


def max_images(known: Facts) -> int:
    """The number of images that one painting may have; 0 if a single image is too large."""
    return min(MAX_IMAGES, _MAX_PIXELS // known.pixels)


def checked_facts(request: PaintRequest, known_rows: int) -> Facts:
    """The facts of the request's model.

    Raises UnknownNameError, CapabilityError, and ConfigError if the number of images, `top_k` or `known_rows` is out of
    range.
    """
    known = facts(request.model)
    most = max_images(known)
    if request.count > most:
        raise ConfigError(
            f"count = {request.count} pictures of {known.height} x {known.width} are too many; choose 1 to {most}"
            if most
            else f"pictures of {known.height} x {known.width} are too large to be painted here; use sample() in Python"
        )
    if request.top_k is not None and request.top_k > known.levels:
        raise ConfigError(f"top_k = {request.top_k} is not allowed: choose 1 to {known.levels}, or none for all levels")
    if not 0 <= known_rows < known.height:
        raise ConfigError(f"given = {known_rows} rows are not allowed: choose 0 to {known.height - 1}")
    return known


# ------------------------------------------------------------------------------ painting


def begin(request: PaintRequest, image: Tensor | None = None, known_rows: int = 0) -> Painting:
    """A painting whose first `known_rows` rows are those of `image` (1, C, H, W); nothing is sampled yet.

    Raises UnknownNameError, CheckpointError, CapabilityError, and ConfigError if the class, `top_k` or the number of
    rows is out of range for the model.
    """
    known = checked_facts(request, known_rows)
    canvas = torch.full((request.count, known.channels, known.height, known.width), UNKNOWN)

    def task() -> Painting:
        model = sampler_of(request)
        labels = labels_of(model, request)
        if image is not None:
            canvas[:, :, :known_rows] = on_levels(model, image)[:, :, :known_rows]
        return Painting(request, canvas, known_rows, labels, known_rows)

    return run(task)


def advance(painting: Painting, rows: int = 1) -> None:
    """Sample the next `rows` rows; raises GenmodelsError, and can be called again after that."""

    def task() -> None:
        if painting._next_rows is None:
            painting._next_rows = _rows(painting)
        painting.canvas = next(painting._next_rows).float().cpu()
        painting.rows += 1

    try:
        with background():
            for _ in range(min(rows, painting.height - painting.rows)):
                run(task)
    except GenmodelsError:
        stop(painting)  # a generator that has raised is exhausted: the next rows need a new one
        raise
    except Exception as error:
        stop(painting)
        _log.exception("painting row %d of %s failed", painting.rows, painting.request)
        raise GenmodelsError(
            f"row {painting.rows + 1} could not be painted: the server has met a fault and noted it in its log; "
            "go on to try it again"
        ) from error
    if painting.done:
        stop(painting)


def stop(painting: Painting) -> None:
    """Release the sampler's caches; `advance` continues from the canvas and gets the same pixels."""
    painting._next_rows = None


def predictions(painting: Painting) -> tuple[PredictedClass | None, ...]:
    """What the reference classifier reads in each image; None without one, or while the images are not finished."""
    if not painting.done:
        return (None,) * len(painting.canvas)
    return read(painting.request.model, painting.canvas)


def read(name: str, canvas: Tensor) -> tuple[PredictedClass | None, ...]:
    """What the reference classifier reads in each image (N, C, H, W) of model `name`; None without a classifier."""
    if not has_judge(name):
        return (None,) * len(canvas)
    return run(lambda: predictions_of(canvas))


# ------------------------------------------------------------------------------ on the inference thread


def sampler_of(request: PaintRequest) -> SupportsPixelSampling:
    """The model; raises CapabilityError if it does not sample pixel by pixel."""
    return as_sampler(model_of(request.model, request.step)[0], request.model)


def as_sampler(model: Model, name: str) -> SupportsPixelSampling:
    """The same model as a pixel sampler; raises CapabilityError if it is not one."""
    if not isinstance(model, SupportsPixelSampling):
        raise CapabilityError(f"{name} does not paint pixel by pixel; choose a PixelCNN")
    return model


def on_levels(model: SupportsPixelSampling, image: Tensor) -> Tensor:
    """A real image (1, C, H, W) quantised to the model's levels; stochastic quantisation uses a fixed seed."""
    return model.to_levels(image, generator=torch.Generator().manual_seed(BINARY_SEED))


def device_of(model: object) -> torch.device:
    """The device of the model's weights."""
    assert isinstance(model, Model)
    return model.device


def condition_for(model: object, labels: tuple[int, ...] | None) -> Condition:
    """The condition of these classes; None without classes."""
    assert isinstance(model, Model)
    return condition_of(model, labels)


def generators_of(request: PaintRequest) -> list[torch.Generator]:
    """The generator of each seed."""
    return [generator_of(request.seed + index) for index in range(request.count)]


def labels_of(model: object, request: PaintRequest) -> tuple[int, ...] | None:
    """The classes of the images; without a requested class, those that the model itself would sample for the seeds."""
    assert isinstance(model, Model)
    classes = model.conditions.get("label", 0)
    if request.label is not None:
        return tuple(preview.requested_labels(model, [request.label] * request.count))
    if not classes:
        return None
    return tuple(int(torch.randint(0, classes, (1,), generator=generator)) for generator in generators_of(request))


def _rows(painting: Painting) -> Iterator[Tensor]:
    request, model = painting.request, sampler_of(painting.request)
    _, _, height, width = painting.canvas.shape
    known = torch.arange(height)[:, None].expand(height, width) < painting.rows
    return model.complete(
        painting.canvas,
        known,
        condition=condition_for(model, painting.labels),
        generator=generators_of(request),
        options=request.options,
    )
