"""The seeds page's requests: ways between seeds, arithmetic with them, the book's table, a walk."""

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
from genmodels.config import Frozen
from genmodels.errors import CapabilityError, GenmodelsError
from genmodels.evaluation import reference_classifier
from genmodels.images import preview
from genmodels.latent.expression import combine
from genmodels.model import Model
from genmodels.service.fair_queue import background
from genmodels.service.inference import Reading, condition_of, enlarge, has_judge, latent_dim, model_of, run
from genmodels.service.latent import Point, walk_gif

MIN_SEEDS, MAX_SEEDS, STEPS, MAX_ROWS = 2, 8, 12, 8
COLUMNS = ("start", "end", "between", "sum", "difference")


class SeedStudy(Frozen):
    """Which model draws, from which seeds, and whether each z is first scaled to the length sqrt(d)."""

    model: str = Field(min_length=1, max_length=200, description="name of a checkpoint or run")
    step: int | None = Field(None, ge=0, description="saved step; empty takes the newest")
    seeds: tuple[int, ...] = Field(
        (0, 1), min_length=MIN_SEEDS, max_length=MAX_SEEDS, description="seeds, any integers, each a sample of N(0, I)"
    )
    renormalise: bool = Field(False, description="scale every z to the length sqrt(d) before it is decoded")
    label: int | None = Field(None, ge=0, lt=10_000, description="class to ask for; empty takes class 0")


@dataclass(frozen=True)
class Tile:
    """One picture of a sheet: the length of its z before and after renormalising, and what the judge reads."""

    length: float
    drawn_length: float
    reading: Reading | None


@dataclass(frozen=True)
class Sheet:
    """Pictures side by side in one PNG, `width` x `height` pixels each, one pixel a pixel."""

    png: bytes
    width: int
    height: int
    tiles: tuple[Tile, ...]


@dataclass(frozen=True)
class Equation:
    """The pictures of an expression's seeds, in the order of `weights`, and its value's picture last."""

    weights: tuple[tuple[int, float], ...]
    sheet: Sheet


def way(study: SeedStudy, pair: int, kind: Literal["linear", "spherical"]) -> Sheet:
    """Twelve pictures from seed number `pair` of the study to the next, both ends included."""
    with background():
        return run(lambda: _sheet(study, _way(study, pair, kind, _dim(study))), divided=True)


def lengths_beside(study: SeedStudy, pair: int) -> dict[str, float]:
    """|z| halfway on the straight way between two seeds of the study, of their sum and of their difference."""

    def task() -> dict[str, float]:
        a, b = _ends(study, pair, _dim(study))
        return {name: float(z.norm()) for name, z in zip(COLUMNS[2:], _row(a, b)[2:], strict=True)}

    return run(task)


def arithmetic(study: SeedStudy, text: str) -> Equation:
    """Each seed's picture and the picture of the whole expression; raises ExpressionError where it cannot be read."""

    def task() -> Equation:
        found = combine(text, _dim(study))
        vectors = latent.z_of_seeds(list(found.weights), found.dim)
        return Equation(tuple(found.weights.items()), _sheet(study, torch.cat([vectors, found.z()[None]])))

    return run(task)


def table(study: SeedStudy) -> Sheet:
    """The book's experiment for each two neighbouring seeds: start, end, halfway, sum and difference, five a row."""
    with background():
        return run(lambda: _sheet(study, _table(study, _dim(study))), divided=True)


def ways_png(study: SeedStudy, pair: int, side: int = 112) -> bytes:
    """The straight way above the spherical one, pictures about `side` pixels wide, for keeping."""

    def task() -> bytes:
        dim = _dim(study)
        return _kept(
            study, torch.cat([_way(study, pair, "linear", dim), _way(study, pair, "spherical", dim)]), STEPS, side
        )

    with background():
        return run(task, divided=True)


def table_png(study: SeedStudy, side: int = 112) -> bytes:
    """The table's pictures, one row a pair, for keeping."""
    with background():
        return run(lambda: _kept(study, _table(study, _dim(study)), len(COLUMNS), side), divided=True)


def seeds_gif(study: SeedStudy) -> bytes:
    """An endless GIF on the sphere through all seeds of the study and back to the first."""
    return walk_gif([Point(model=study.model, step=study.step, seed=seed, label=study.label) for seed in study.seeds])


# --------------------------------------------------------------------- on the inference thread


def _dim(study: SeedStudy) -> int:
    dim = latent_dim(model_of(study.model, study.step)[0])
    if dim == 0:
        raise CapabilityError(f"{study.model} draws from a constant: it has no z, so seeds change nothing")
    return dim


def _ends(study: SeedStudy, pair: int, dim: int) -> tuple[Tensor, Tensor]:
    if not 0 <= pair < len(study.seeds) - 1:
        raise GenmodelsError(f"pair {pair} is not one of the {len(study.seeds) - 1} pairs of neighbouring seeds")
    a, b = latent.z_of_seeds(study.seeds[pair : pair + 2], dim)
    return a, b


def _way(study: SeedStudy, pair: int, kind: Literal["linear", "spherical"], dim: int) -> Tensor:
    a, b = _ends(study, pair, dim)
    walk = latent.lerp if kind == "linear" else latent.slerp
    return torch.stack([walk(a, b, index / (STEPS - 1)) for index in range(STEPS)])


def _row(a: Tensor, b: Tensor) -> tuple[Tensor, ...]:
    return a, b, latent.lerp(a, b, 0.5), a + b, a - b


def _table(study: SeedStudy, dim: int) -> Tensor:
    rows = [_row(*_ends(study, pair, dim)) for pair in range(len(study.seeds) - 1)]
    return torch.cat([torch.stack(row) for row in rows])


def _renormalised(z: Tensor) -> Tensor:
    """Rows scaled to the length sqrt(d); a vector without length, s1 - s1, has no direction to keep and stays."""
    lengths = z.norm(dim=1, keepdim=True)
    return torch.where(lengths > 1e-6, z * (math.sqrt(z.shape[1]) / lengths.clamp_min(1e-6)), z)


def _drawn(study: SeedStudy, z: Tensor) -> tuple[Tensor, Tensor]:
    """The vectors that are decoded (N, dim) and their pictures (N, C, H, W)."""
    model: Model = model_of(study.model, study.step)[0]
    assert isinstance(model, SupportsLatent)  # _dim raised otherwise
    used = _renormalised(z) if study.renormalise else z
    condition = condition_of(model, [study.label] * len(used))
    return used, model.decode(used.to(model.device), condition=condition).float().cpu()


def _sheet(study: SeedStudy, z: Tensor) -> Sheet:
    used, pictures = _drawn(study, z)
    image = preview.grid(pictures, len(pictures), scale=1, pad=0)
    readings: list[Reading | None] = [None] * len(z)
    if has_judge(study.model):
        best, index = reference_classifier.probabilities(pictures).max(1)
        readings = [Reading(str(i), p) for i, p in zip(index.tolist(), best.tolist(), strict=True)]
    lengths = zip(z.norm(dim=1).tolist(), used.norm(dim=1).tolist(), readings, strict=True)
    return Sheet(
        preview.png(image, compress_level=1), image.width // len(z), image.height, tuple(Tile(*row) for row in lengths)
    )


def _kept(study: SeedStudy, z: Tensor, columns: int, side: int) -> bytes:
    _, pictures = _drawn(study, z)
    image: Image.Image = preview.grid(pictures, columns, scale=1)
    return preview.png(enlarge(image, side * columns))
