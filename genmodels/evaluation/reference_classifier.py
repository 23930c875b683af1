"""Reference classifier for digits: a published model that classifies generated digits and provides features."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from genmodels.capabilities import SupportsClassification, SupportsFeatures
from genmodels.data.loader import to_float
from genmodels.data.spec import Arrays, DataSpec
from genmodels.errors import CheckpointError
from genmodels.runs import catalog
from genmodels.runs.folder import RunFolder

NAME = "mnist_judge"


def applies_to(spec: DataSpec) -> bool:
    """Whether the data is handwritten digits in the classifier's format."""
    return spec.image_shape == (1, 28, 28) and spec.classes == tuple("0123456789")


def published() -> bool:
    """Whether the classifier is published. Not cached (0.1 ms): it may be published while a server runs."""
    return any(catalog.checkpoints_root().glob(f"{NAME}/step-*"))


def load() -> SupportsClassification:
    """The published classifier. Raises UnknownNameError if it is not published."""
    return _load(RunFolder(catalog.find(NAME)).step_key())


@lru_cache(maxsize=1)
def _load(_classifier: tuple[Path, int, int]) -> SupportsClassification:
    model = catalog.load(NAME)
    if not isinstance(model, SupportsClassification):
        raise CheckpointError(f"checkpoint {NAME!r} is a {type(model).__name__}, not a classifier; publish it again")
    return model


def probabilities(images: Tensor) -> Tensor:
    """Class probabilities (B, 10) of images (B, 1, 28, 28) in [-1, 1], in batches of 500 to limit memory."""
    classifier = load()
    with torch.inference_mode():
        parts = [classifier.classify(part).softmax(1) for part in torch.split(images, 500)]
    return torch.cat(parts)


def features(images: Tensor) -> Tensor:
    """Features (B, 128), the hidden layer, of images (B, 1, 28, 28) in [-1, 1], in batches of 500 to limit memory."""
    classifier = load()
    if not isinstance(classifier, SupportsFeatures):
        raise CheckpointError(f"checkpoint {NAME!r} has no features; publish it again")
    with torch.inference_mode():
        return torch.cat([classifier.features(part) for part in torch.split(images, 500)])


def features_of_set(arrays: Arrays) -> Tensor:
    """Features (N, 128) of the images of a data set, cached: all steps of a run are compared with the same images."""
    images = _Images(hashlib.sha256(arrays.images.tobytes()).digest(), arrays.images.shape, arrays.images)
    return _features_of_set(RunFolder(catalog.find(NAME)).step_key(), images)


@dataclass(frozen=True)
class _Images:
    """Images that are equal if their bytes are."""

    digest: bytes
    shape: tuple[int, ...]
    pixels: np.ndarray = field(compare=False)


@lru_cache(maxsize=4)
def _features_of_set(_classifier: tuple[Path, int, int], images: _Images) -> Tensor:
    return features(to_float(torch.from_numpy(images.pixels.copy())))


def predictions(images: Tensor) -> Tensor:
    """Predicted digits (B,) of images (B, 1, 28, 28) in [-1, 1]."""
    return probabilities(images).argmax(1)


def class_histogram(images: Tensor) -> Tensor:
    """Fraction of images predicted as each digit, (10,), with sum 1."""
    return class_fractions(predictions(images))


def class_fractions(digits: Tensor) -> Tensor:
    """Fraction of each digit, (10,), among digits (B,)."""
    return torch.bincount(digits, minlength=10).float() / len(digits)
