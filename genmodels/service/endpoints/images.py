"""Images from seeds and latent vectors.

Grids have no gaps, so that each part of one is an image. All models compute in float32, as those of `genmodels.load`
do, so the pixels are the same.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from genmodels import latent
from genmodels.capabilities import SupportsLatent
from genmodels.errors import CapabilityError, ConfigError
from genmodels.images import preview
from genmodels.latent.expression import combine
from genmodels.model import Model
from genmodels.service import manifold as manifold_page
from genmodels.service.endpoints.requests import LabelledRequest, StepRequest
from genmodels.service.fair_queue import background
from genmodels.service.inference import condition_of, exact_model_of, latent_dim, run, sheet_png
from genmodels.service.latent import Point, render
from genmodels.service.manifold import Plane

MAX_IMAGES, MAX_STEPS, MAX_ROWS, MAX_COORDINATE = 64, 64, 20, 1_000.0
COLUMNS = 8
"""Images per row of a grid of samples."""
MAX_DIMENSION = 65_536
MANIFOLD_SIDE = 840
"""Side of the sheet of a latent plane in pixels: 15 images of 28 pixels, doubled."""

Coordinate = Annotated[float, Field(ge=-MAX_COORDINATE, le=MAX_COORDINATE, allow_inf_nan=False)]


class SampleRequest(LabelledRequest):
    """The images of consecutive seeds."""

    seed: int = Field(0, description="first seed, any integer; the next ones follow it")
    n: int = Field(1, ge=1, le=MAX_IMAGES, description="number of images")


class DecodeRequest(LabelledRequest):
    """One latent vector."""

    z: tuple[Coordinate, ...] = Field(
        max_length=MAX_DIMENSION, description="the latent vector: a list with as many numbers as the model's z has"
    )


class InterpolationRequest(LabelledRequest):
    """The way between two seeds."""

    seed_a: int = Field(description="seed of the first image, any integer")
    seed_b: int = Field(description="seed of the last image, any integer")
    steps: int = Field(12, ge=2, le=MAX_STEPS, description="number of images, both ends included")
    way: Literal["slerp", "lerp"] = Field("slerp", description="slerp: spherical, keeps the norm of z; lerp: linear")


class ArithmeticRequest(LabelledRequest):
    """Arithmetic with the latent vectors of seeds."""

    expression: str = Field(description="such as s12 - s7 + 0.5*s3, where s12 is the latent vector of seed 12")


class ConditionalGridRequest(StepRequest):
    """One column per class, one row per seed."""

    seed: int = Field(0, description="seed of the first row, any integer; the next ones follow it")
    rows: int = Field(10, ge=1, le=MAX_ROWS, description="number of rows, one seed each")


def sample(**values: Any) -> bytes:
    """The images of seeds seed, seed + 1, ... in rows of COLUMNS as PNG; takes the fields of SampleRequest.

    Raises ConfigError, UnknownNameError, CheckpointError, and CapabilityError if the model generates no images.
    """
    request = SampleRequest.parse(values)

    def task() -> bytes:
        model = exact_model_of(request.model, request.step)
        labels = _labels(model, request.label)
        images = preview.samples_of_seeds(model, range(request.seed, request.seed + request.n), labels)
        if images is None:
            raise CapabilityError(f"{request.model} generates no images; /models lists those with sampling or latent")
        return sheet_png(images, min(COLUMNS, len(images)))

    with background():
        return run(task, divided=True)


def decode(**values: Any) -> bytes:
    """The image of one latent vector as PNG; takes the fields of DecodeRequest.

    Raises ConfigError for a vector of another length, UnknownNameError, CheckpointError and CapabilityError.
    """
    request = DecodeRequest.parse(values)

    def task() -> bytes:
        model = exact_model_of(request.model, request.step)
        dim = latent_dim(model)
        if len(request.z) != dim:
            raise ConfigError(
                f"z has {len(request.z):,} numbers, but {request.model} decodes vectors of {dim:,}; "
                f"send {dim:,} numbers"
            )
        return _decoded(model, torch.tensor(request.z, dtype=torch.float32).view(1, dim), request, 1)

    return run(task)


def interpolate(**values: Any) -> bytes:
    """The images from seed_a to seed_b side by side as PNG; takes the fields of InterpolationRequest.

    Raises what `decode` raises.
    """
    request = InterpolationRequest.parse(values)

    def task() -> bytes:
        model = exact_model_of(request.model, request.step)
        a, b = latent.z_of_seeds([request.seed_a, request.seed_b], _moving_dim(model, request))
        walk = latent.slerp if request.way == "slerp" else latent.lerp
        z = torch.stack([walk(a, b, index / (request.steps - 1)) for index in range(request.steps)])
        return _decoded(model, z, request, request.steps)

    with background():
        return run(task, divided=True)


def arithmetic(**values: Any) -> bytes:
    """The image of an expression's value as PNG; takes the fields of ArithmeticRequest.

    Raises ExpressionError if the expression cannot be parsed, and what `decode` raises.
    """
    request = ArithmeticRequest.parse(values)

    def task() -> bytes:
        model = exact_model_of(request.model, request.step)
        combination = combine(request.expression, _moving_dim(model, request))
        return _decoded(model, combination.z()[None], request, 1)

    return run(task)


def conditional(**values: Any) -> bytes:
    """One column per class and one row per seed as PNG; takes the fields of ConditionalGridRequest.

    At most MAX_CLASS_COLUMNS classes are shown. Raises CapabilityError if the model is not class-conditional, and what
    `decode` raises.
    """
    request = ConditionalGridRequest.parse(values)

    def task() -> bytes:
        model = exact_model_of(request.model, request.step)
        classes = preview.requested_labels(model)[: preview.MAX_CLASS_COLUMNS]
        if not classes:
            raise CapabilityError(f"{request.model} is not class-conditional; choose a conditional model")
        count = request.rows * len(classes)
        images = preview.samples_of_seeds(model, range(request.seed, request.seed + count), classes)
        if images is None:
            raise CapabilityError(f"{request.model} generates no images; choose a conditional model of images")
        return sheet_png(images, len(classes))

    with background():
        return run(task, divided=True)


# --------------------------------------------------------------------- for the tabs alone


def moved(model: str, label: Any, step: Any, seed: Any, axes: Any, offsets: Sequence[Any]) -> bytes:
    """The image of a seed's z moved along the model's directions, as PNG; raises ConfigError and what `decode` raises.

    A model with fewer directions ignores the other offsets.
    """
    values = LabelledRequest.parse({"model": model, "label": label, "step": step}).model_dump()
    return render(Point.parse({**values, "seed": seed, "axes": axes, "offsets": tuple(offsets)}), judged=False).png


def manifold(model: str, step: Any) -> bytes:
    """The latent plane decoded on a grid, as PNG; raises ConfigError and what `decode` raises."""
    request = StepRequest.parse({"model": model, "step": step})
    return manifold_page.grid_png(Plane.parse(request.model_dump()), window=manifold_page.GRID_WINDOW)


def manifold_place(x: float, y: float) -> tuple[float, float]:
    """z at the pixel (x, y) of `manifold`, within the range of its axes."""
    side, window, reach = MANIFOLD_SIDE, manifold_page.GRID_WINDOW, manifold_page.REACH
    right, up = (2 * x / side - 1) * window, (1 - 2 * y / side) * window
    return round(min(max(right, -reach), reach), 2), round(min(max(up, -reach), reach), 2)


# --------------------------------------------------------------------- on the inference thread


def _labels(model: Model, label: int | None) -> list[int] | None:
    """The class of all images, class 0 if none is given; None for an unconditional model without a class."""
    if label is None and not model.conditions.get("label", 0):
        return None
    return [label or 0]


def _moving_dim(model: Model, request: StepRequest) -> int:
    dim = latent_dim(model)
    if dim == 0:
        raise CapabilityError(f"{request.model} generates from a constant: it has no z, so seeds change nothing")
    return dim


def _decoded(model: Model, z: Tensor, request: LabelledRequest, columns: int) -> bytes:
    """The images of z (N, dim), all of the request's class, in rows of `columns` as PNG."""
    assert isinstance(model, SupportsLatent)  # latent_dim raised otherwise
    if not math.isfinite(float(z.abs().sum())):
        raise ConfigError("z has become infinite; use smaller numbers")
    condition = condition_of(model, [request.label] * len(z))
    return sheet_png(model.decode(z.to(model.device), condition=condition).float().cpu(), columns)
