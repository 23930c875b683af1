"""One seed, integrated by every solver in few and in many steps, and compared with a fine solution."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch
from pydantic import Field
from torch import Tensor

from genmodels.images import preview
from genmodels.networks.flow_settings import Solver
from genmodels.service.cache import LRU
from genmodels.service.fair_queue import queued
from genmodels.service.flow import (
    MAX_GUIDANCE,
    check_guidance,
    config_of,
    evaluations,
    flow_of,
    noise_of,
)
from genmodels.service.inference import ModelKey, condition_of, enlarge, key_of, run, sheet_png
from genmodels.service.requests import ModelRequest

STEPS = (1, 2, 4, 8, 16, 50)
REFERENCE_STEPS = 200
_REFERENCE: Solver = "midpoint"


class SolverRequest(ModelRequest):
    """A model, one seed, its class, and the guidance scale."""

    seed: int = Field(0, description="any integer")
    label: int | None = Field(None, ge=0, lt=10_000, description="class; empty for an unconditional model")
    guidance: float = Field(1.0, ge=0, le=MAX_GUIDANCE, description="classifier-free guidance scale; 1: none")


@dataclass(frozen=True)
class Solution:
    """One image: its solver and steps, evaluations of the velocity, and what it cost and missed.

    `error` is the root mean square difference from the reference, on [-1, 1]. `seconds` is the time that one CPU
    thread computed, without the time that it waited for others.
    """

    solver: Solver
    steps: int
    evaluations: int
    error: float
    seconds: float


@dataclass(frozen=True)
class Comparison:
    """One row per solver of the model, one column per number of steps, in a PNG not enlarged; the reference apart."""

    png: bytes
    reference: bytes
    width: int
    height: int
    solutions: tuple[Solution, ...]


_comparisons: LRU[tuple[ModelKey, SolverRequest], Comparison] = LRU(16)


def compare(request: SolverRequest) -> Comparison:
    """The image of the seed by each solver in each of STEPS, and by the midpoint rule in REFERENCE_STEPS; cached.

    Raises UnknownNameError, CheckpointError, CapabilityError, and ConfigError for a class or a guidance scale that the
    model does not have.
    """
    return _comparisons.get_or_compute((key_of(request.model, request.step), request), lambda: _compare(request))


def compare_png(request: SolverRequest, side: int = 112) -> bytes:
    """The table of `compare` as a file, images about `side` pixels wide."""
    with queued():
        images = [image for image, _ in _images(request)]
        return run(
            lambda: preview.png(enlarge(preview.grid(torch.cat(images), len(STEPS), scale=1), side * len(STEPS)))
        )


def _compare(request: SolverRequest) -> Comparison:
    with queued():
        reference, _ = run(lambda: _solve(request, _REFERENCE, REFERENCE_STEPS), divided=True)
        images = _images(request)
    solutions = []
    for (image, seconds), (solver, steps) in zip(images, _cells(request.model), strict=True):
        error = float((image - reference).square().mean().sqrt())
        solutions.append(Solution(solver, steps, evaluations(solver, steps), error, seconds))
    sheet = sheet_png(torch.cat([image for image, _ in images]), len(STEPS))
    *_, height, width = reference.shape
    return Comparison(sheet, sheet_png(reference, 1), width, height, tuple(solutions))


def _cells(name: str) -> list[tuple[Solver, int]]:
    return [(solver, steps) for solver in config_of(name).solvers for steps in STEPS]


def _images(request: SolverRequest) -> list[tuple[Tensor, float]]:
    """The image (1, C, H, W) of each cell and its seconds; the ticket of `queued` is checked between them."""

    def task(solver: Solver, steps: int) -> tuple[Tensor, float]:
        return run(lambda: _solve(request, solver, steps), divided=True)

    return [task(solver, steps) for solver, steps in _cells(request.model)]


# ------------------------------------------------------------------------------ on the inference threads


def _solve(request: SolverRequest, solver: Solver, steps: int) -> tuple[Tensor, float]:
    flow, model, config = flow_of(request.model, request.step, exact=True)
    check_guidance(request.model, config, request.guidance)
    condition = condition_of(model, None if request.label is None else [request.label])
    x = noise_of([request.seed], config, model.device)
    began = time.thread_time()
    *_, x = flow.flow(x, condition=condition, steps=steps, solver=solver, guidance=request.guidance)
    return x.float().cpu(), time.thread_time() - began
