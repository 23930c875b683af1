"""Requests of the flow page: which models, what a request says, and noise that becomes images step by step."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from PIL import Image
from pydantic import Field
from torch import Tensor

from genmodels import latent, registry
from genmodels.capabilities import FlowConfig, SupportsFlow
from genmodels.errors import CapabilityError, ConfigError
from genmodels.images import preview
from genmodels.model import Model
from genmodels.networks.flow_settings import ODE_SOLVERS, Solver
from genmodels.runs import catalog
from genmodels.runs.catalog import CheckpointInfo
from genmodels.runs.folder import RunFolder
from genmodels.service import gif
from genmodels.service.cache import LRU
from genmodels.service.fair_queue import queued
from genmodels.service.inference import (
    ModelKey,
    PredictedClass,
    condition_of,
    enlarge,
    exact_model_of,
    has_judge,
    key_of,
    model_of,
    plain,
    predictions_of,
    run,
    sheet_png,
)
from genmodels.service.requests import ModelRequest

MAX_IMAGES, MAX_STEPS, MAX_GUIDANCE, MAX_FRAMES = 8, 50, 10.0, 26
SOLVERS = ODE_SOLVERS
"""The solvers of every flow; a model of average velocities has a further one."""
_MAX_VALUES = 2**21  # of all frames of a film, which one message carries
_FRAME_MS, _LAST_MS = 120, 1_500


class IntegrationRequest(ModelRequest):
    """A model, the guidance scale, and how the flow is integrated."""

    guidance: float = Field(1.0, ge=0, le=MAX_GUIDANCE, description="classifier-free guidance scale; 1: none")
    steps: int = Field(8, ge=1, le=MAX_STEPS, description="solver steps")
    solver: Solver = Field("heun", description="solver of the differential equation")


class FlowRequest(IntegrationRequest):
    """Also the seeds (seed, seed + 1, ...) and a class."""

    seed: int = Field(0, description="first seed, any integer; the next ones follow it")
    count: int = Field(MAX_IMAGES, ge=1, le=MAX_IMAGES, description="number of images")
    label: int | None = Field(None, ge=0, lt=10_000, description="class; empty: the classes in turn")


@dataclass(frozen=True)
class Film:
    """Images at several times of the flow, in one PNG that is not enlarged.

    Column j is time `times[j]`; row 2 i is image i at that time, row 2 i + 1 the end that the velocity there predicts.
    `labels` and `predictions` (of the last column) are per image; None without classes or a reference classifier.
    """

    png: bytes
    width: int
    height: int
    times: tuple[float, ...]
    labels: tuple[int, ...] | None
    predictions: tuple[PredictedClass, ...] | None


# ------------------------------------------------------------------------------ which models


def checkpoints() -> tuple[CheckpointInfo, ...]:
    """Checkpoints and runs that integrate a flow, published ones first."""
    return tuple(info for info in catalog.list_checkpoints() if has_flow(info))


def has_flow(info: CheckpointInfo) -> bool:
    """Whether the model's family integrates a flow."""
    return info.modality == "image" and issubclass(registry.get(info.model), SupportsFlow)


def config_of(name: str) -> FlowConfig:
    """The config of a checkpoint, without loading weights; raises CapabilityError if it has no flow."""
    spec = RunFolder(catalog.find(plain(name))).spec()
    config = registry.config_class(spec.family).parse(spec.model, "model.")
    if not isinstance(config, FlowConfig):
        raise CapabilityError(f"{name} integrates no flow; choose a flow matching model")
    return config


def max_images(config: FlowConfig) -> int:
    """The number of images that one film may have."""
    return max(1, min(MAX_IMAGES, _MAX_VALUES // (2 * MAX_FRAMES * math.prod(config.shape))))


def evaluations(solver: Solver, steps: int) -> int:
    """How often a solver evaluates the network in so many steps from noise to an image."""
    return {"average": steps, "euler": steps, "midpoint": 2 * steps, "heun": 2 * steps - 1}[solver]


def spread(count: int, most: int) -> list[int]:
    """At most `most` of the numbers below `count`, evenly spread, with both ends."""
    shown = min(count, most)
    return [round(index * (count - 1) / (shown - 1)) for index in range(shown)]


# ------------------------------------------------------------------------------ noise becomes images


_films: LRU[tuple[ModelKey, FlowRequest], Film] = LRU(16)


def film(request: FlowRequest) -> Film:
    """The images of the seeds at up to MAX_FRAMES times, each with the end that is predicted there; cached.

    Raises UnknownNameError, CheckpointError, CapabilityError, and ConfigError for a class, a number of images or a
    guidance scale or solver that the model does not have.
    """
    judged = has_judge(request.model)

    def compute() -> Film:
        with queued():
            return run(lambda: _film(request, judged), divided=True)

    return _films.get_or_compute((key_of(request.model, request.step), request), compute)


def strip_png(request: FlowRequest, columns: int) -> tuple[bytes, tuple[float, ...]]:
    """At most `columns` frames of the film's first image, the predicted ends below, not enlarged; and their times."""
    whole = film(request)
    chosen = spread(len(whole.times), columns)
    with Image.open(io.BytesIO(whole.png)) as sheet:
        strip = Image.new(sheet.mode, (len(chosen) * whole.width, 2 * whole.height))
        for column, index in enumerate(chosen):
            box = (index * whole.width, 0, (index + 1) * whole.width, 2 * whole.height)
            strip.paste(sheet.crop(box), (column * whole.width, 0))
    return preview.png(strip, compress_level=1), tuple(whole.times[index] for index in chosen)


def film_png(request: FlowRequest, side: int = 84) -> bytes:
    """`film` as a file, images about `side` pixels wide."""

    def task() -> bytes:
        frames = _frames(request)[0]
        count = frames.shape[2]
        return preview.png(enlarge(preview.grid(frames.flatten(0, 2), count, scale=1), side * count))

    with queued():
        return run(task, divided=True)


def film_gif(request: FlowRequest, side: int = 84) -> bytes:
    """A looping GIF: the images above the predicted ends, one frame per time; the last one stays longer."""

    def picture(frame: Tensor) -> Image.Image:
        grid = preview.grid(frame.transpose(0, 1).flatten(0, 1), request.count, scale=1)
        return enlarge(grid, side * request.count)

    with queued():
        frames = run(lambda: _frames(request), divided=True)[0].unbind(2)
        durations = [_FRAME_MS] * (len(frames) - 1) + [_LAST_MS]
        return gif.encode(map(picture, frames), duration=durations, loop=0, optimize=False)


# ------------------------------------------------------------------------------ on the inference threads


def flow_of(name: str, step: int | None, *, exact: bool = False) -> tuple[SupportsFlow, Model, FlowConfig]:
    """The model, twice with its two types, and its config; `exact`: in float32.

    Raises CapabilityError if it has no flow.
    """
    model = exact_model_of(name, step) if exact else model_of(name, step)[0]
    if not isinstance(model, SupportsFlow) or not isinstance(model.config, FlowConfig):
        raise CapabilityError(f"{name} integrates no flow; choose a flow matching model")
    return model, model, model.config


def check_guidance(name: str, config: FlowConfig, guidance: float) -> None:
    """Raises ConfigError for a guidance scale that has no meaning for the model."""
    if guidance != 1 and not config.guidable:
        scale = config.trained_guidance
        reason = (
            "it was trained without condition dropout"
            if scale is None
            else f"it learned the velocity of guidance scale {scale:g}, which cannot be changed"
        )
        raise ConfigError(f"guidance = {guidance:g} is not allowed for {name}: {reason}; use 1")


def check_solver(name: str, config: FlowConfig, solver: Solver) -> None:
    """Raises ConfigError for a solver that the model does not have."""
    if solver not in config.solvers:
        raise ConfigError(f"solver = {solver!r} is not allowed for {name}; choose {', '.join(config.solvers)}")


def noise_of(seeds: Sequence[int], config: FlowConfig, device: torch.device) -> Tensor:
    """The noise (N, C, H, W) of these seeds: the same z as on the other pages."""
    shape = config.shape
    return latent.z_of_seeds(seeds, torch.Size(shape).numel()).view(-1, *shape).to(device)


def _film(request: FlowRequest, judged: bool) -> Film:
    frames, times, labels = _frames(request)
    *_, height, width = frames.shape
    predictions = predictions_of(frames[:, 0, -1]) if judged else None
    return Film(sheet_png(frames.flatten(0, 2), len(times)), width, height, times, labels, predictions)


def _frames(request: FlowRequest) -> tuple[Tensor, tuple[float, ...], tuple[int, ...] | None]:
    """Images and predicted ends (count, 2, times, C, H, W) in [-1, 1] on the CPU; the times; the classes."""
    flow, model, config = flow_of(request.model, request.step)
    check_guidance(request.model, config, request.guidance)
    check_solver(request.model, config, request.solver)
    most = max_images(config)
    if request.count > most:
        raise ConfigError(f"count = {request.count} pictures of this size are too many; choose 1 to {most}")
    labels = _labels(model, request)
    condition, guidance, steps = condition_of(model, labels), request.guidance, request.steps
    x = noise_of(range(request.seed, request.seed + request.count), config, model.device)
    states = [x, *flow.flow(x, condition=condition, steps=steps, solver=request.solver, guidance=guidance)]
    shown = spread(steps + 1, MAX_FRAMES)
    pairs = []
    for index in shown:
        x, t = states[index], index / steps
        end = x if index == steps else flow.predicted_image(x, t, condition=condition, guidance=guidance)
        pairs.append(torch.stack([x, end], 1))
    return torch.stack(pairs, 2).clamp(-1, 1).float().cpu(), tuple(index / steps for index in shown), labels


def _labels(model: Model, request: FlowRequest) -> tuple[int, ...] | None:
    """The classes of the images; None for an unconditional model, raises as `preview.requested_labels`."""
    classes = preview.requested_labels(model, None if request.label is None else [request.label])
    return tuple(classes[index % len(classes)] for index in range(request.count)) if classes else None
