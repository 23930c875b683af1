"""Inspection on the evaluate page: a discriminator's scores, and the nearest training images of samples."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from genmodels import capabilities, data
from genmodels.data.loader import to_float
from genmodels.data.spec import Arrays
from genmodels.errors import CapabilityError, DataError
from genmodels.evaluation import discriminator_scores
from genmodels.evaluation.distances import nearest
from genmodels.evaluation.splits import shuffled
from genmodels.images import preview
from genmodels.model import Model
from genmodels.recipes import Spec
from genmodels.runs import catalog
from genmodels.runs.folder import RunFolder
from genmodels.service.cache import LRU
from genmodels.service.dataset_images import modified
from genmodels.service.fair_queue import background, queued
from genmodels.service.inference import ModelKey, model_of, plain, run

SCORED, SHOWN, BINS = 500, 8, 20
_POOL_BYTES = 96 * 2**20
_CHUNK = 2_000


@dataclass(frozen=True)
class Calibration:
    """Histograms of a discriminator's scores of 500 real test images and 500 generated ones.

    `probability`: the scores are probabilities in [0, 1], else a critic's scores, whose zero has no meaning. `edges`
    has one entry more than `real` and `generated`, which are fractions that sum to 1 each. `class_conditional`: the
    images were scored with their class.
    """

    probability: bool
    edges: tuple[float, ...]
    real: tuple[float, ...]
    generated: tuple[float, ...]
    mean_real: float
    mean_generated: float
    class_conditional: bool


@dataclass(frozen=True)
class Pair:
    """A generated image (left) and its nearest training image, and their root mean square difference, 0 to 1.

    The training image is mirrored if that is nearer and training mirrored its images.
    """

    png: bytes
    distance: float


@dataclass(frozen=True)
class Nearest:
    """Eight generated images with their nearest training images, and the median distance of real test images."""

    pairs: tuple[Pair, ...]
    pool: int
    typical: float


# By model and modification time of the data.
_calibrations: LRU[tuple[ModelKey, int], Calibration] = LRU(24)
_nearest: LRU[tuple[ModelKey, int], Nearest] = LRU(24)


def calibration(name: str, step: int | None = None) -> Calibration | None:
    """The discriminator's or critic's scores of real and generated images; None if it was not saved.

    A conditional discriminator gets the images with their classes. Raises DataError if the test data is missing, and
    what `model_of` raises.
    """
    spec = _spec(name)
    model, key = run(lambda: model_of(name, step))
    if "scoring" not in capabilities.of(model):
        return None

    def compute() -> Calibration:
        arrays = _arrays(spec, "test", SCORED)
        with background():
            return run(lambda: _calibrate(model, arrays), divided=True)

    return _calibrations.get_or_compute((key, modified(spec.data)), compute)


def nearest_training(name: str, step: int | None = None) -> Nearest:
    """The images of the first seeds (of several classes if the model is conditional) and their nearest training images.

    At most 96 MB of training images are compared (all 60,000 of MNIST). Raises CapabilityError if the model does not
    generate images, DataError if the training data is missing.
    """
    spec = _spec(name)

    def compute() -> Nearest:
        with queued():
            return _search(spec, run(_generate(name, step), divided=True))

    return _nearest.get_or_compute((run(lambda: model_of(name, step)[1]), modified(spec.data)), compute)


def _search(spec: Spec, generated: Tensor) -> Nearest:
    shape = spec.data_spec.image_shape or (1, 1, 1)
    train = _arrays(spec, "train", _POOL_BYTES // math.prod(shape))
    real = to_float(torch.from_numpy(_arrays(spec, "test", 100).images.copy()))
    matches = _nearest_rows(torch.cat([generated, real]), train.images, mirrored=bool(spec.model.get("flip")))
    scale = 2 * math.sqrt(math.prod(shape))  # from |a - b| over pixels 2 wide to a root mean square of 0 to 1
    pairs = [
        Pair(_pair_png(image, _as_float(train.images[index], mirrored)), distance / scale)
        for image, (distance, index, mirrored) in zip(generated, matches, strict=False)
    ]
    typical = float(np.median([distance for distance, *_ in matches[len(generated) :]])) / scale
    return Nearest(tuple(pairs), len(train.images), typical)


# ------------------------------------------------------------------------------ on the inference thread


def _generate(name: str, step: int | None) -> Callable[[], Tensor]:
    def task() -> Tensor:
        images = preview.samples_of_seeds(model_of(name, step)[0], range(SHOWN))
        if images is None:
            raise CapabilityError(f"{name} generates no pictures, so it cannot have memorised any")
        return images[:SHOWN]

    return task


def _calibrate(model: Model, arrays: Arrays) -> Calibration:
    scored = discriminator_scores.score_samples(model, arrays, len(arrays.images))
    values = [scored.real.numpy(), scored.generated.numpy()]
    low, high = (0.0, 1.0) if scored.probability else (float(min(map(np.min, values))), float(max(map(np.max, values))))
    edges = np.linspace(low, high if high > low else low + 1, BINS + 1)
    fractions = [np.histogram(part, edges)[0] / len(part) for part in values]
    return Calibration(
        scored.probability,
        tuple(edges.tolist()),
        tuple(fractions[0].tolist()),
        tuple(fractions[1].tolist()),
        float(values[0].mean()),
        float(values[1].mean()),
        scored.class_conditional,
    )


def _as_float(image: np.ndarray, mirrored: bool) -> Tensor:
    pixels = to_float(torch.from_numpy(image.copy()))
    return pixels.flip(-1) if mirrored else pixels


def _nearest_rows(queries: Tensor, pool: np.ndarray, *, mirrored: bool) -> list[tuple[float, int, bool]]:
    """For each query: the distance to the nearest row of the pool, its index, and whether the mirrored query is nearer.

    Runs in tasks of 2,000 rows, so that other requests run in between. The few queries are mirrored, not the pool.
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
