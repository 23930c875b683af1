"""The manifold page's requests: models whose z has two numbers, their decoded grid, where real pictures lie, and what
one place or one picture is.

Real pictures are encoded once a saved step (10,000 digits: 0.2 s) and kept; decoding one place takes 2 ms.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from genmodels import capabilities, catalog, data, registry
from genmodels.capabilities import SupportsEncoding, SupportsLatent, SupportsPosterior
from genmodels.catalog import CheckpointInfo
from genmodels.config import Frozen
from genmodels.data import Arrays, DataConfig, DataSpec
from genmodels.data.loader import hash_seed, to_float
from genmodels.errors import CapabilityError, DataError
from genmodels.images import drawing, preview
from genmodels.losses import bernoulli_entropy, bernoulli_nll, gaussian_kl
from genmodels.runfolder import RunFolder
from genmodels.service.fair_queue import background
from genmodels.service.inference import ModelKey, Reading, has_judge, in_slices, model_of, plain, read, run
from genmodels.service.real_pictures import stamp, test_pictures, tile_png

REACH, GRID_SIDE, NEIGHBOURS = 4.0, 15, 5
GRID_WINDOW = REACH * GRID_SIDE / (GRID_SIDE - 1)
"""What an even grid covers: its outer tiles lie half outside [-REACH, REACH]."""
PLACE_LIMIT = 40.0
"""Codes of an autoencoder may lie far out; a place farther than this is a mistake."""
_SCATTERS_KEPT = 12

Spacing = Literal["even", "quantiles"]
Coordinate = Annotated[float, Field(ge=-PLACE_LIMIT, le=PLACE_LIMIT, allow_inf_nan=False)]


class Plane(Frozen):
    """A saved step of a model whose z has two numbers."""

    model: str = Field(min_length=1, max_length=200, description="name of a checkpoint or run")
    step: int | None = Field(None, ge=0, description="saved step; empty takes the newest")


class Place(Plane):
    """One z."""

    z: tuple[Coordinate, Coordinate] = Field((0.0, 0.0), description="the two numbers of z")


@dataclass(frozen=True)
class Scatter:
    """Where real pictures lie: x, y float32 (N,), label int64 (N,) or empty; `key` names exactly this one."""

    key: str
    x: np.ndarray
    y: np.ndarray
    label: np.ndarray
    classes: tuple[str, ...]
    data: str
    reach: float


@dataclass(frozen=True)
class Neighbour:
    """A real picture, one pixel a pixel, and how far its z lies from the asked one."""

    png: bytes
    label: str
    distance: float


@dataclass(frozen=True)
class Decoded:
    """What is drawn at a place, and the real pictures nearest to it."""

    png: bytes
    reading: Reading | None
    neighbours: tuple[Neighbour, ...]


@dataclass(frozen=True)
class Coded:
    """A picture as a model sees it: z, its spread where the model has one, and what is drawn from z.

    The reconstruction term of the ELBO is `nats`, which is lost, plus the picture's own `entropy`, which nothing saves.
    """

    prepared: bytes
    z: tuple[float, float]
    sigma: tuple[float, float] | None
    reconstruction: bytes
    nats: float
    entropy: float
    kl: float | None
    draws: tuple[bytes, ...]


# ------------------------------------------------------------------------------ which models


def can(info: CheckpointInfo, capability: str) -> bool:
    """Whether this family has a capability, also where an older checkpoint's list does not name it."""
    return capability in capabilities.of_class(registry.get(info.model))


def planes() -> tuple[CheckpointInfo, ...]:
    """Checkpoints and runs that encode pictures into two numbers and decode them: those with a posterior first."""
    found = [
        info
        for info in catalog.list_checkpoints()
        if info.latent_dim == 2 and info.modality == "image" and can(info, "latent") and can(info, "encoding")
    ]
    return tuple(sorted(found, key=lambda info: not can(info, "posterior")))  # stable: published ones stay first


def takes_drawings(name: str) -> bool:
    """Whether a model's pictures are of MNIST's format, which drawings are brought into."""
    return _spec_of(name).image_shape == (1, 28, 28)


# ------------------------------------------------------------------------------ the grid and the scatter


def grid_png(plane: Plane, spacing: Spacing = "even", *, window: float | None = None) -> bytes:
    """15 x 15 decoded pictures; z 1 grows to the right, z 2 upwards.

    `window`: the whole image, not only the middles of its tiles, covers [-window, window] in both, as a map does.

    even: over [-4, 4] in both. quantiles: at the bell curve's quantiles 1/30, 3/30, ..., 29/30, so that each picture
    stands for the same share of N(0, I) (Kingma & Welling, arXiv 1312.6114, appendix A).
    """

    def task() -> bytes:
        model, _ = _plane_model(plane)
        if window is not None:
            ticks = torch.linspace(-window, window, 2 * GRID_SIDE + 1)[1::2]
        elif spacing == "even":
            ticks = torch.linspace(-REACH, REACH, GRID_SIDE)
        else:
            shares = (torch.arange(GRID_SIDE) + 0.5) / GRID_SIDE
            ticks = math.sqrt(2) * torch.erfinv(2 * shares - 1)
        rows, columns = torch.meshgrid(ticks.flip(0), ticks, indexing="ij")
        pictures = model.decode(torch.stack([columns, rows], -1).view(-1, 2))
        scale = max(1, 840 // (GRID_SIDE * pictures.shape[-1]))
        return preview.png(preview.grid(pictures, GRID_SIDE, scale=scale, pad=0), compress_level=1)

    with background():
        return run(task, divided=True)


def scatter(plane: Plane) -> Scatter:
    """Where the pictures a model was not trained on lie: at most 10,000, encoded once a saved step.

    Raises DataError where neither the model's own data nor the embedded digits fit it.
    """
    real = _real(plane.model)
    return _scatter(plane, real)


def decode(place: Place) -> Decoded:
    """The picture at a place and the five real ones whose z lie nearest, nearest first."""
    real = _real(place.model)
    arrays, spec = real.arrays, real.spec
    judged = has_judge(place.model)
    near = _scatter(place, real)

    def task() -> Decoded:
        model, _ = _plane_model(place)
        pixels = model.decode(torch.tensor([place.z]))
        distance = np.hypot(near.x - place.z[0], near.y - place.z[1])
        nearest = np.argpartition(distance, min(NEIGHBOURS, len(distance) - 1))[:NEIGHBOURS]
        neighbours = [
            Neighbour(
                tile_png(to_float(torch.from_numpy(arrays.images[i].copy()))),
                spec.classes[int(near.label[i])] if len(near.label) else "",
                float(distance[i]),
            )
            for i in nearest[np.argsort(distance[nearest])]
        ]
        return Decoded(tile_png(pixels), read(pixels) if judged else None, tuple(neighbours))

    return run(task)


_scatters: OrderedDict[tuple[ModelKey, str], Scatter] = OrderedDict()
_scatters_lock = threading.Lock()


def _scatter(plane: Plane, real: _Real) -> Scatter:
    key = run(lambda: _plane_model(plane)[1])
    named, arrays, spec = (key, real.key), real.arrays, real.spec
    with _scatters_lock:
        found = _scatters.get(named)
        if found is not None:
            _scatters.move_to_end(named)
            return found
    images = torch.split(torch.from_numpy(arrays.images.copy()), 1_000)
    with background():
        parts = list(in_slices(_plane_model(plane)[0].encode(to_float(part)) for part in images))
    z = torch.nan_to_num(torch.cat(parts).float()).numpy()
    # Nearly all of them; a few stray codes far out must not shrink the rest to a spot.
    reach = float(np.clip(1.05 * np.quantile(np.abs(z), 0.99), REACH, PLACE_LIMIT))
    label = arrays.labels if spec.classes else arrays.labels[:0]
    path, step, stamp = key
    name = f"{path.name} {step} {stamp} {real.key}"
    found = Scatter(name, z[:, 0].copy(), z[:, 1].copy(), label, spec.classes, spec.title, reach)
    with _scatters_lock:
        found = _scatters.setdefault(named, found)
        while len(_scatters) > _SCATTERS_KEPT:
            _scatters.popitem(last=False)
    return found


# ------------------------------------------------------------------------------ one picture


def code(plane: Plane, ink: np.ndarray, *, draws: int = 5, seed: int = 0) -> Coded:
    """Encode what was drawn (white on black, uint8 (H, W)) and draw it again, from z and from draws of the posterior.

    Raises EmptyDrawingError where nothing is drawn, DataError where the model's pictures are not of MNIST's format.
    """
    if not takes_drawings(plane.model):
        raise DataError(f"{plane.model} draws pictures of another format than 1 x 28 x 28; choose a model of digits")
    if not 0 <= draws <= 16:
        raise DataError(f"draws = {draws} is not allowed: 0 to 16")
    x = drawing.to_mnist(ink).unsqueeze(0)

    def task() -> Coded:
        model, _ = _plane_model(plane)
        sigma: tuple[float, float] | None = None
        kl: float | None = None
        drawn: tuple[bytes, ...] = ()
        if isinstance(model, SupportsPosterior):
            z, logvar = model.posterior(x)
            deviation = (0.5 * logvar).exp()
            sigma, kl = _pair(deviation), float(gaussian_kl(z, logvar))
            generator = torch.Generator().manual_seed(hash_seed(seed, draws))
            pictures = model.decode(z + deviation * torch.randn(draws, 2, generator=generator))
            drawn = tuple(tile_png(picture) for picture in pictures)
        else:
            z = model.encode(x)
        again = model.decode(z)
        entropy = float(bernoulli_entropy(x.add(1).mul(0.5)))
        return Coded(tile_png(x), _pair(z), sigma, tile_png(again), nats(again, x), entropy, kl, drawn)

    return run(task)


def nats(drawn: Tensor, x: Tensor) -> float:
    """Nats that are lost of one image (1, C, H, W) in the drawn one, both in [-1, 1]; a perfect copy loses 0.

    Binary cross entropy, summed over the pixels, less the image's own entropy: the divergence of two Bernoulli laws.
    """
    target = x.add(1).mul(0.5)
    # A pixel that is certain and wrong would cost infinitely many nats: float32 can tell 1e-6 from 0, and from 1.
    chance = drawn.add(1).mul(0.5).clamp(1e-6, 1 - 1e-6)
    return max(0.0, float(bernoulli_nll(torch.logit(chance), target) - bernoulli_entropy(target)))


# ------------------------------------------------------------------------------ on the inference thread


class _PlaneModel(SupportsLatent, SupportsEncoding):
    """What a model of this page can do."""


def _plane_model(plane: Plane) -> tuple[_PlaneModel, ModelKey]:
    model, key = model_of(plane.model, plane.step)
    if not isinstance(model, SupportsLatent) or not isinstance(model, SupportsEncoding) or model.latent_dim != 2:
        raise CapabilityError(f"{plane.model} does not encode pictures into two numbers; choose a model with a 2-D z")
    return model, key  # type: ignore[return-value]


def _pair(values: Tensor) -> tuple[float, float]:
    first, second = values.flatten().tolist()
    return first, second


# ------------------------------------------------------------------------------ on the caller's thread: files only


def _spec_of(name: str) -> DataSpec:
    return RunFolder(catalog.find(plain(name))).spec().data_spec


@dataclass(frozen=True)
class _Real:
    """Pictures to compare with; `key` changes with their file."""

    arrays: Arrays
    spec: DataSpec
    key: str


def _real(name: str) -> _Real:
    """The test split of a model's own data, else of the digits that are always there; raises DataError."""
    run_spec = RunFolder(catalog.find(plain(name))).spec()
    for config in (run_spec.data, DataConfig()):
        if data.missing(config) is None and data.get_spec(config).image_shape == run_spec.data_spec.image_shape:
            return _Real(test_pictures(config), data.get_spec(config), f"{config.name} {stamp(config)}")
    raise DataError(f"{run_spec.data.name}, which {name} was trained on, is not here; fetch it on the Data page")
