"""An image of the visitor's as noise, by the flow backwards, and that noise decoded as every class."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from pydantic import Field
from torch import Tensor

from genmodels.capabilities import Condition, SupportsFlow
from genmodels.errors import DataError
from genmodels.images import preview
from genmodels.model import Model
from genmodels.service.dataset_images import tile_png
from genmodels.service.fair_queue import queued
from genmodels.service.flow import (
    IntegrationRequest,
    check_guidance,
    check_solver,
    config_of,
    flow_of,
)
from genmodels.service.inference import (
    PredictedClass,
    condition_of,
    enlarge,
    has_judge,
    predict,
    predictions_of,
    run,
    sheet_png,
)

MAX_CLASSES = preview.MAX_CLASS_COLUMNS
ENCODING_STEPS = 16
"""Fewest steps from image to noise, by Heun's method, of a model that decodes by its average velocity."""


class EncodeRequest(IntegrationRequest):
    """Also the class to encode the image with; the guidance scale is that of the decoded classes."""

    label: int | None = Field(None, ge=0, lt=10_000, description="class of the image; empty: no class")


@dataclass(frozen=True)
class Encoded:
    """An encoded image: its noise, the noise's norm, and what decoding makes of it.

    `cycle_error` is the mean absolute difference of image and reconstruction on [-1, 1]. The sheet has one image per
    class, at most MAX_CLASSES, in a PNG that is not enlarged; without classes it is empty.
    """

    original: bytes
    noise: bytes
    norm: float
    expected_norm: float
    reconstruction: bytes
    cycle_error: float
    sheet: bytes
    width: int
    height: int
    count: int
    predictions: tuple[PredictedClass, ...] | None


def encode(request: EncodeRequest, image: Tensor) -> Encoded:
    """Encode an image (1, C, H, W) in [-1, 1]; decode its noise with the same class, then with every class.

    Encoding and reconstruction use no guidance: guided velocities depend on the class twice, so there the way back is
    another one. Raises DataError for another shape of image, and what `flow.film` raises.
    """
    shape = config_of(request.model).shape
    if image.shape[1:] != shape:
        raise DataError(f"{request.model} has pictures of {' x '.join(map(str, shape))}; choose another picture")
    judged = has_judge(request.model)
    with queued():
        return run(lambda: _encode(request, image, judged), divided=True)


def classes_png(request: EncodeRequest, image: Tensor, side: int = 112) -> bytes:
    """The decoded classes as a file, images about `side` pixels wide."""

    def task() -> bytes:
        flow, model, noise = _noise(request, image)
        images = _classes(flow, model, request, noise)
        return preview.png(enlarge(preview.grid(images, len(images), scale=1), side * len(images)))

    with queued():
        return run(task, divided=True)


def read(image: Tensor) -> int:
    """The class that the reference classifier reads in one image (1, 1, 28, 28)."""
    return run(lambda: int(predict(image).label))


# ------------------------------------------------------------------------------ on the inference threads


def _encode(request: EncodeRequest, image: Tensor, judged: bool) -> Encoded:
    flow, model, noise = _noise(request, image)
    again = _integrate(flow, request, noise, condition_of(model, _label(request)), 0.0, 1.0, 1.0).clamp(-1, 1)
    images = _classes(flow, model, request, noise)
    sheet = sheet_png(images, len(images)) if len(images) else b""
    return Encoded(
        tile_png(image),
        tile_png(noise.clamp(-1, 1)),
        float(noise.norm()),
        math.sqrt(noise.numel()),
        tile_png(again),
        float((again.cpu() - image).abs().mean()),
        sheet,
        image.shape[3],
        image.shape[2],
        len(images),
        predictions_of(images) if judged and len(images) else None,
    )


def _noise(request: EncodeRequest, image: Tensor) -> tuple[SupportsFlow, Model, Tensor]:
    """The model, twice with its two types, and the encoded image (1, C, H, W)."""
    flow, model, config = flow_of(request.model, request.step, exact=True)
    check_guidance(request.model, config, request.guidance)
    check_solver(request.model, config, request.solver)
    if request.solver == "average":  # it only leads from noise to image
        request = request.replace(solver="heun", steps=max(ENCODING_STEPS, request.steps))
    condition = condition_of(model, _label(request))
    return flow, model, _integrate(flow, request, image.to(model.device), condition, 1.0, 0.0, 1.0)


def _classes(flow: SupportsFlow, model: Model, request: EncodeRequest, noise: Tensor) -> Tensor:
    """The noise decoded as each class (K, C, H, W) on the CPU; K is 0 for an unconditional model."""
    labels = preview.requested_labels(model)[:MAX_CLASSES]
    if not labels:
        return torch.empty(0, *noise.shape[1:])
    repeated = noise.expand(len(labels), -1, -1, -1)
    images = _integrate(flow, request, repeated, condition_of(model, labels), 0.0, 1.0, request.guidance)
    return images.clamp(-1, 1).float().cpu()


def _label(request: EncodeRequest) -> list[int] | None:
    return None if request.label is None else [request.label]


def _integrate(
    flow: SupportsFlow,
    request: EncodeRequest,
    x: Tensor,
    condition: Condition,
    start: float,
    end: float,
    guidance: float,
) -> Tensor:
    *_, x = flow.flow(
        x, condition=condition, start=start, end=end, steps=request.steps, solver=request.solver, guidance=guidance
    )
    return x
