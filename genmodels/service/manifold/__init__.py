"""Requests of the manifold page: for models with a two-dimensional z, the decoded grid, the codes of real images, and
one decoded point.

Real images are encoded once per saved step (10,000 digits take 0.2 s) and cached; decoding one point takes 2 ms.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field

from genmodels import capabilities, data, registry
from genmodels.capabilities import SupportsEncoding, SupportsLatent
from genmodels.data import Arrays, DataConfig, DataSpec
from genmodels.data.loader import to_float
from genmodels.errors import CapabilityError, DataError
from genmodels.images import preview
from genmodels.runs import catalog
from genmodels.runs.catalog import CheckpointInfo
from genmodels.runs.folder import RunFolder
from genmodels.service.cache import LRU
from genmodels.service.dataset_images import modified, test_images, tile_png
from genmodels.service.fair_queue import background
from genmodels.service.inference import (
    ModelKey,
    PredictedClass,
    has_judge,
    in_slices,
    key_of,
    model_of,
    plain,
    predict,
    run,
)
from genmodels.service.requests import ModelRequest

REACH, GRID_SIDE, NEIGHBOURS = 4.0, 15, 5
GRID_WINDOW = REACH * GRID_SIDE / (GRID_SIDE - 1)
"""The range of an even grid: its outer tiles lie half outside [-REACH, REACH]."""
PLACE_LIMIT = 40.0
"""Largest coordinate; the codes of an autoencoder may lie far from 0."""

Spacing = Literal["even", "quantiles"]
Coordinate = Annotated[float, Field(ge=-PLACE_LIMIT, le=PLACE_LIMIT, allow_inf_nan=False)]


class Plane(ModelRequest):
    """A saved step of a model with a two-dimensional z."""


class Place(Plane):
    """A point of the latent plane."""

    z: tuple[Coordinate, Coordinate] = Field((0.0, 0.0), description="the two coordinates of z")


@dataclass(frozen=True)
class Scatter:
    """Codes of real images: x, y float32 (N,), label int64 (N,) or empty. `key` changes if the codes do.

    Nearly all codes lie within [-extent, extent] in both directions.
    """

    key: str
    x: np.ndarray
    y: np.ndarray
    label: np.ndarray
    classes: tuple[str, ...]
    data: str
    extent: float


@dataclass(frozen=True)
class Neighbour:
    """A real image, not enlarged, and the distance of its z from the point."""

    png: bytes
    label: str
    distance: float


@dataclass(frozen=True)
class Decoded:
    """The image decoded at a point, and the real images with the nearest codes."""

    png: bytes
    prediction: PredictedClass | None
    neighbours: tuple[Neighbour, ...]


# ------------------------------------------------------------------------------ which models


def has_capability(info: CheckpointInfo, capability: str) -> bool:
    """Whether the family has a capability, even if an older checkpoint's list does not name it."""
    return capability in capabilities.of_class(registry.get(info.model))


def checkpoints() -> tuple[CheckpointInfo, ...]:
    """Checkpoints and runs with an encoder, a decoder and a two-dimensional z; those with a posterior first."""
    infos = [
        info
        for info in catalog.list_checkpoints()
        if info.latent_dim == 2
        and info.modality == "image"
        and has_capability(info, "latent")
        and has_capability(info, "encoding")
    ]
    return tuple(
        sorted(infos, key=lambda info: not has_capability(info, "posterior"))
    )  # stable: published ones stay first


def accepts_drawings(name: str) -> bool:
    """Whether a model's images have MNIST's format, to which drawings are converted."""
    return _spec_of(name).image_shape == (1, 28, 28)


# ------------------------------------------------------------------------------ the grid and the scatter


def grid_png(plane: Plane, spacing: Spacing = "even", *, window: float | None = None) -> bytes:
    """15 x 15 decoded images; the first coordinate of z grows to the right, the second upwards.

    even: tile centres cover [-4, 4] in both directions. quantiles: at the normal quantiles 1/30, 3/30, ..., 29/30, so
    every image stands for the same probability mass of N(0, I) (Kingma & Welling, arXiv 1312.6114, appendix A). With
    `window` the edges of the grid, not the centres of its outer tiles, lie at -window and window.
    """

    def task() -> bytes:
        model, _ = plane_model(plane)
        if window is not None:
            ticks = torch.linspace(-window, window, 2 * GRID_SIDE + 1)[1::2]
        elif spacing == "even":
            ticks = torch.linspace(-REACH, REACH, GRID_SIDE)
        else:
            quantiles = (torch.arange(GRID_SIDE) + 0.5) / GRID_SIDE
            ticks = math.sqrt(2) * torch.erfinv(2 * quantiles - 1)
        rows, columns = torch.meshgrid(ticks.flip(0), ticks, indexing="ij")
        images = model.decode(torch.stack([columns, rows], -1).view(-1, 2))
        scale = max(1, 840 // (GRID_SIDE * images.shape[-1]))
        return preview.png(preview.grid(images, GRID_SIDE, scale=scale, pad=0), compress_level=1)

    with background():
        return run(task, divided=True)


_sheets: LRU[ModelKey, bytes] = LRU(8)


def sheet_png(plane: Plane) -> bytes:
    """The even grid of `grid_png`, which covers [-GRID_WINDOW, GRID_WINDOW] in both directions; cached."""
    return _sheets.get_or_compute(key_of(plane.model, plane.step), lambda: grid_png(plane))


def scatter(plane: Plane) -> Scatter:
    """Codes of at most 10,000 test images, encoded once per saved step.

    Raises DataError if neither the model's own data nor the embedded digits are usable.
    """
    return _scatter(plane, _real(plane.model))


def decode(place: Place) -> Decoded:
    """The image at a point and the five real images with the nearest codes, nearest first."""
    real = _real(place.model)
    arrays, spec = real.arrays, real.spec
    judged = has_judge(place.model)
    codes = _scatter(place, real)

    def task() -> Decoded:
        model, _ = plane_model(place)
        pixels = model.decode(torch.tensor([place.z]))
        distance = np.hypot(codes.x - place.z[0], codes.y - place.z[1])
        nearest = np.argpartition(distance, min(NEIGHBOURS, len(distance) - 1))[:NEIGHBOURS]
        neighbours = [
            Neighbour(
                tile_png(to_float(torch.from_numpy(arrays.images[i].copy()))),
                spec.classes[int(codes.label[i])] if len(codes.label) else "",
                float(distance[i]),
            )
            for i in nearest[np.argsort(distance[nearest])]
        ]
        return Decoded(tile_png(pixels), predict(pixels) if judged else None, tuple(neighbours))

    return run(task)


_scatters: LRU[tuple[ModelKey, str], Scatter] = LRU(12)


def _scatter(plane: Plane, real: _Real) -> Scatter:
    key = run(lambda: plane_model(plane)[1])
    return _scatters.get_or_compute((key, real.key), lambda: _encode_all(plane, key, real))


def _encode_all(plane: Plane, key: ModelKey, real: _Real) -> Scatter:
    arrays, spec = real.arrays, real.spec
    images = torch.split(torch.from_numpy(arrays.images.copy()), 1_000)
    with background():
        parts = list(in_slices(plane_model(plane)[0].encode(to_float(part)) for part in images))
    z = torch.nan_to_num(torch.cat(parts).float()).numpy()
    # Without the farthest 1 %: a few outliers must not shrink the others to a spot.
    extent = float(np.clip(1.05 * np.quantile(np.abs(z), 0.99), REACH, PLACE_LIMIT))
    label = arrays.labels if spec.classes else arrays.labels[:0]
    path, step, modified = key
    name = f"{path.name} {step} {modified} {real.key}"
    return Scatter(name, z[:, 0].copy(), z[:, 1].copy(), label, spec.classes, spec.title, extent)


# ------------------------------------------------------------------------------ on the inference thread


class _PlaneModel(SupportsLatent, SupportsEncoding):
    """Models of this page."""


def plane_model(plane: Plane) -> tuple[_PlaneModel, ModelKey]:
    """The model and its key, on the inference thread; raises CapabilityError."""
    model, key = model_of(plane.model, plane.step)
    if not isinstance(model, SupportsLatent) or not isinstance(model, SupportsEncoding) or model.latent_dim != 2:
        raise CapabilityError(f"{plane.model} has no encoder into a 2-D z; choose a model with a 2-D z")
    return model, key  # type: ignore[return-value]


# ------------------------------------------------------------------------------ on the caller's thread: files only


def _spec_of(name: str) -> DataSpec:
    return RunFolder(catalog.find(plain(name))).spec().data_spec


@dataclass(frozen=True)
class _Real:
    """Images to compare with; `key` changes with their file."""

    arrays: Arrays
    spec: DataSpec
    key: str


def _real(name: str) -> _Real:
    """The test split of a model's own data, else of the embedded digits; raises DataError if neither fits."""
    run_spec = RunFolder(catalog.find(plain(name))).spec()
    for config in (run_spec.data, DataConfig()):
        if data.missing(config) is None and data.get_spec(config).image_shape == run_spec.data_spec.image_shape:
            return _Real(test_images(config), data.get_spec(config), f"{config.name} {modified(config)}")
    raise DataError(f"{run_spec.data.name}, which {name} was trained on, is not here; fetch it on the Data page")
