"""What the evaluate page shows beside the figures: a discriminator's answers, and the nearest real pictures."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from genmodels import capabilities, catalog, data
from genmodels.data.loader import to_float
from genmodels.data.spec import Arrays
from genmodels.errors import CapabilityError, DataError
from genmodels.evaluation import discriminator_scores
from genmodels.evaluation.distances import nearest
from genmodels.evaluation.splits import shuffled
from genmodels.images import preview
from genmodels.model import Model
from genmodels.recipes import Spec
from genmodels.runfolder import RunFolder
from genmodels.service.fair_queue import background, queued
from genmodels.service.inference import ModelKey, model_of, plain, run
from genmodels.service.real_pictures import stamp

SCORED, SHOWN, BINS = 500, 8, 20
_POOL_BYTES = 96 * 2**20
_CHUNK = 2_000
_KEPT = 24


@dataclass(frozen=True)
class Calibration:
    """Histograms of a discriminator's answers to 500 real test pictures and 500 drawn ones.

    `probability`: the answers are D in [0, 1], else a critic's scores, whose zero means nothing. `edges` has one entry
    more than the shares of `real` and `drawn`, which sum to 1 each.
    """

    probability: bool
    edges: tuple[float, ...]
    real: tuple[float, ...]
    drawn: tuple[float, ...]
    mean_real: float
    mean_drawn: float
    class_conditional: bool


@dataclass(frozen=True)
class Pair:
    """A drawn picture (left) and the training picture nearest to it, and their root mean square difference, 0 to 1.

    The training picture is shown mirrored where that is nearer and training mirrored its pictures.
    """

    png: bytes
    distance: float


@dataclass(frozen=True)
class Nearest:
    """Eight drawn pictures with their nearest training pictures, and what real test pictures' own distance is."""

    pairs: tuple[Pair, ...]
    pool: int
    typical: float


# By model and by when the data was written: they are read and drawn for anew only where one of them has changed.
_calibrations: OrderedDict[tuple[ModelKey, int], Calibration] = OrderedDict()
_nearest: OrderedDict[tuple[ModelKey, int], Nearest] = OrderedDict()


def calibration(name: str, step: int | None = None) -> Calibration | None:
    """What the discriminator or critic says of real and of drawn pictures; None where it was not kept.

    Real pictures come with their class where the discriminator needs one, drawn ones with the class asked for. Raises
    DataError where the test data is missing, and what `model_of` raises.
    """
    spec = _spec(name)
    model, key = run(lambda: model_of(name, step))
    if "scoring" not in capabilities.of(model):
        return None
    place = (key, stamp(spec.data))
    found = _calibrations.get(place)
    if found is None:
        arrays = _arrays(spec, "test", SCORED)
        with background():
            found = _calibrations[place] = run(lambda: _calibrated(model, arrays), divided=True)
        _trim(_calibrations)
    return found


def nearest_training(name: str, step: int | None = None) -> Nearest:
    """Pictures of the first seeds, of several classes where one can ask for them, each with its nearest real one.

    At most 96 MB of training pictures are compared (all 60,000 of MNIST). Raises CapabilityError for a model that draws
    nothing, DataError where the training data is missing.
    """
    spec = _spec(name)
    place = (run(lambda: model_of(name, step)[1]), stamp(spec.data))
    found = _nearest.get(place)
    if found is None:
        with queued():
            found = _nearest[place] = _searched(spec, run(_drawn(name, step), divided=True))
        _trim(_nearest)
    return found


def _searched(spec: Spec, drawn: Tensor) -> Nearest:
    shape = spec.data_spec.image_shape or (1, 1, 1)
    train = _arrays(spec, "train", _POOL_BYTES // math.prod(shape))
    real = to_float(torch.from_numpy(_arrays(spec, "test", 100).images.copy()))
    found = _nearest_rows(torch.cat([drawn, real]), train.images, mirrored=bool(spec.config.get("flip")))
    scale = 2 * math.sqrt(math.prod(shape))  # from |a - b| over pixels 2 wide to a root mean square of 0 to 1
    pairs = [
        Pair(_pair_png(picture, _as_shown(train.images[place], turned)), distance / scale)
        for picture, (distance, place, turned) in zip(drawn, found, strict=False)
    ]
    typical = float(np.median([distance for distance, *_ in found[len(drawn) :]])) / scale
    return Nearest(tuple(pairs), len(train.images), typical)


# ------------------------------------------------------------------------------ on the inference thread


def _drawn(name: str, step: int | None) -> Callable[[], Tensor]:
    def task() -> Tensor:
        drawn = preview.samples_of_seeds(model_of(name, step)[0], range(SHOWN))
        if drawn is None:
            raise CapabilityError(f"{name} draws no pictures, so it cannot have learned any by heart")
        return drawn[:SHOWN]

    return task


def _calibrated(model: Model, arrays: Arrays) -> Calibration:
    found = discriminator_scores.score_samples(model, arrays, len(arrays.images))
    values = [found.real.numpy(), found.drawn.numpy()]
    low, high = (0.0, 1.0) if found.probability else (float(min(map(np.min, values))), float(max(map(np.max, values))))
    edges = np.linspace(low, high if high > low else low + 1, BINS + 1)
    shares = [np.histogram(part, edges)[0] / len(part) for part in values]
    return Calibration(
        found.probability,
        tuple(edges.tolist()),
        tuple(shares[0].tolist()),
        tuple(shares[1].tolist()),
        float(values[0].mean()),
        float(values[1].mean()),
        found.class_conditional,
    )


def _as_shown(image: np.ndarray, mirrored: bool) -> Tensor:
    picture = to_float(torch.from_numpy(image.copy()))
    return picture.flip(-1) if mirrored else picture


def _nearest_rows(queries: Tensor, pool: np.ndarray, *, mirrored: bool) -> list[tuple[float, int, bool]]:
    """Of each query the distance to the nearest row of the pool, which, and whether to its mirror image.

    In tasks of 2,000, so that others draw in between. Queries are mirrored, not the pool: far fewer.
    """
    queries = torch.cat([queries, queries.flip(-1)]) if mirrored else queries
    best = torch.full((len(queries),), torch.inf)
    index = torch.zeros(len(queries), dtype=torch.int64)
    for start in range(0, len(pool), _CHUNK):
        part = pool[start : start + _CHUNK]
        distance, place = run(lambda part=part: nearest(queries, to_float(torch.from_numpy(part.copy()))))  # type: ignore[misc]
        closer = distance < best
        best, index = torch.where(closer, distance, best), torch.where(closer, place + start, index)
    sides = 2 if mirrored else 1
    best, side = best.view(sides, -1).min(0)
    index = index.view(sides, -1).gather(0, side[None])[0]
    return list(zip(best.tolist(), index.tolist(), side.bool().tolist(), strict=True))


# ------------------------------------------------------------------------------ on the caller's thread: files only


def _spec(name: str) -> Spec:
    return RunFolder(catalog.find(plain(name))).spec()


def _arrays(spec: Spec, split: data.Split, first: int) -> Arrays:
    problem = data.missing(spec.data)
    if problem:
        raise DataError(problem)
    return (
        data.load(spec.data, split, max(1, first)) if split == "train" else shuffled(data.load(spec.data, split), first)
    )


def _pair_png(left: Tensor, right: Tensor) -> bytes:
    return preview.png(preview.grid(torch.stack([left, right]), 2, scale=1, pad=1), compress_level=1)


def _trim(kept: OrderedDict[tuple[ModelKey, int], Any]) -> None:
    while len(kept) > _KEPT:
        kept.popitem(last=False)
