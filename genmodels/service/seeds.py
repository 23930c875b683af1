"""Requests of the seeds page: interpolation between seeds, arithmetic with their vectors, a table, a walk."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from PIL import Image
from pydantic import Field
from torch import Tensor

from genmodels import latent
from genmodels.capabilities import SupportsLatent
from genmodels.errors import CapabilityError, GenmodelsError
from genmodels.images import preview
from genmodels.latent.expression import combine
from genmodels.model import Model
from genmodels.service.fair_queue import background
from genmodels.service.inference import (
    PredictedClass,
    condition_of,
    enlarge,
    has_judge,
    latent_dim,
    model_of,
    predictions_of,
    run,
    sheet_png,
)
from genmodels.service.latent import Point, walk_gif
from genmodels.service.requests import ModelRequest

MIN_SEEDS, MAX_SEEDS, STEPS, MAX_ROWS = 2, 8, 12, 8
COLUMNS = ("start", "end", "between", "sum", "difference")


class SeedsRequest(ModelRequest):
    """A model, seeds, and whether every z is scaled to the norm sqrt(d)."""

    seeds: tuple[int, ...] = Field(
        (0, 1), min_length=MIN_SEEDS, max_length=MAX_SEEDS, description="seeds, any integers, each a sample of N(0, I)"
    )
    renormalise: bool = Field(False, description="scale every z to the norm sqrt(d) before it is decoded")
    label: int | None = Field(None, ge=0, lt=10_000, description="class, counted from 0; empty takes class 0")


@dataclass(frozen=True)
class Tile:
    """One image of a sheet: the norm of its z before and after scaling, and what the reference classifier reads."""

    norm: float
    decoded_norm: float
    prediction: PredictedClass | None


@dataclass(frozen=True)
class Sheet:
    """Images side by side in one PNG, `width` x `height` pixels each, not enlarged."""

    png: bytes
    width: int
    height: int
    tiles: tuple[Tile, ...]


@dataclass(frozen=True)
class Equation:
    """The images of an expression's seeds, in the order of `weights`, and last the image of its value."""

    weights: tuple[tuple[int, float], ...]
    sheet: Sheet


def interpolation(request: SeedsRequest, pair: int, kind: Literal["linear", "spherical"]) -> Sheet:
    """STEPS images from seed number `pair` of the request to the next one, both included."""
    with background():
        return run(lambda: _sheet(request, _path(request, pair, kind, _dim(request))), divided=True)


def norms_between(request: SeedsRequest, pair: int) -> dict[str, float]:
    """|z| at the midpoint of the straight line between two neighbouring seeds, of their sum and of their difference."""

    def task() -> dict[str, float]:
        a, b = _ends(request, pair, _dim(request))
        return {name: float(z.norm()) for name, z in zip(COLUMNS[2:], _row(a, b)[2:], strict=True)}

    return run(task)


def arithmetic(request: SeedsRequest, text: str) -> Equation:
    """The images of all seeds and of the expression's value; raises ExpressionError if it cannot be parsed."""

    def task() -> Equation:
        combination = combine(text, _dim(request))
        vectors = latent.z_of_seeds(list(combination.weights), combination.dim)
        sheet = _sheet(request, torch.cat([vectors, combination.z()[None]]))
        return Equation(tuple(combination.weights.items()), sheet)

    return run(task)


def table(request: SeedsRequest) -> Sheet:
    """One row per pair of neighbouring seeds: start, end, midpoint, sum and difference."""
    with background():
        return run(lambda: _sheet(request, _table(request, _dim(request))), divided=True)


def interpolations_png(request: SeedsRequest, pair: int, side: int = 112) -> bytes:
    """Linear interpolation above spherical interpolation as a file, images about `side` pixels wide."""

    def task() -> bytes:
        dim = _dim(request)
        return _large_png(
            request,
            torch.cat([_path(request, pair, "linear", dim), _path(request, pair, "spherical", dim)]),
            STEPS,
            side,
        )

    with background():
        return run(task, divided=True)


def table_png(request: SeedsRequest, side: int = 112) -> bytes:
    """`table` as a file."""
    with background():
        return run(lambda: _large_png(request, _table(request, _dim(request)), len(COLUMNS), side), divided=True)


def seeds_gif(request: SeedsRequest) -> bytes:
    """A looping GIF: spherical interpolation through all seeds and back to the first."""
    return walk_gif(
        [Point(model=request.model, step=request.step, seed=seed, label=request.label) for seed in request.seeds]
    )


# --------------------------------------------------------------------- on the inference thread


def _dim(request: SeedsRequest) -> int:
    dim = latent_dim(model_of(request.model, request.step)[0])
    if dim == 0:
        raise CapabilityError(f"{request.model} generates from a constant: it has no z, so seeds change nothing")
    return dim


def _ends(request: SeedsRequest, pair: int, dim: int) -> tuple[Tensor, Tensor]:
    if not 0 <= pair < len(request.seeds) - 1:
        raise GenmodelsError(f"pair {pair} is not one of the {len(request.seeds) - 1} pairs of neighbouring seeds")
    a, b = latent.z_of_seeds(request.seeds[pair : pair + 2], dim)
    return a, b


def _path(request: SeedsRequest, pair: int, kind: Literal["linear", "spherical"], dim: int) -> Tensor:
    a, b = _ends(request, pair, dim)
    walk = latent.lerp if kind == "linear" else latent.slerp
    return torch.stack([walk(a, b, index / (STEPS - 1)) for index in range(STEPS)])


def _row(a: Tensor, b: Tensor) -> tuple[Tensor, ...]:
    return a, b, latent.lerp(a, b, 0.5), a + b, a - b


def _table(request: SeedsRequest, dim: int) -> Tensor:
    rows = [_row(*_ends(request, pair, dim)) for pair in range(len(request.seeds) - 1)]
    return torch.cat([torch.stack(row) for row in rows])


def _renormalised(z: Tensor) -> Tensor:
    """Rows scaled to the norm sqrt(d); a zero vector, such as s1 - s1, is not changed."""
    norms = z.norm(dim=1, keepdim=True)
    return torch.where(norms > 1e-6, z * (math.sqrt(z.shape[1]) / norms.clamp_min(1e-6)), z)


def _decode(request: SeedsRequest, z: Tensor) -> tuple[Tensor, Tensor]:
    """The vectors that are decoded (N, dim) and their images (N, C, H, W)."""
    model: Model = model_of(request.model, request.step)[0]
    assert isinstance(model, SupportsLatent)  # _dim raised otherwise
    used = _renormalised(z) if request.renormalise else z
    condition = condition_of(model, [request.label] * len(used))
    return used, model.decode(used.to(model.device), condition=condition).float().cpu()


def _sheet(request: SeedsRequest, z: Tensor) -> Sheet:
    used, images = _decode(request, z)
    predictions = predictions_of(images) if has_judge(request.model) else (None,) * len(z)
    rows = zip(z.norm(dim=1).tolist(), used.norm(dim=1).tolist(), predictions, strict=True)
    *_, height, width = images.shape
    return Sheet(sheet_png(images, len(images)), width, height, tuple(Tile(*row) for row in rows))


def _large_png(request: SeedsRequest, z: Tensor, columns: int, side: int) -> bytes:
    _, images = _decode(request, z)
    image: Image.Image = preview.grid(images, columns, scale=1)
    return preview.png(enlarge(image, side * columns))
