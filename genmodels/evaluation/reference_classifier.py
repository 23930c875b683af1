"""The digit judge: a published classifier that says which digits a generator draws."""

from __future__ import annotations

import torch
from torch import Tensor

from genmodels import catalog
from genmodels.capabilities import SupportsClassification, SupportsFeatures
from genmodels.data.spec import DataSpec
from genmodels.errors import CheckpointError

NAME = "mnist_judge"


def applies_to(spec: DataSpec) -> bool:
    """Whether a model of this data draws handwritten digits in the judge's format."""
    return spec.image_shape == (1, 28, 28) and spec.classes == tuple("0123456789")


def published() -> bool:
    """Whether there is a judge to ask. Looked up each time, 0.1 ms: it may be published while a server runs."""
    return any(catalog.checkpoints_root().glob(f"{NAME}/step-*"))


def load() -> SupportsClassification:
    """The published judge, loaded once; raises UnknownNameError where it is not published."""
    model = catalog.load(NAME)
    if not isinstance(model, SupportsClassification):
        raise CheckpointError(
            f"checkpoint {NAME!r} is a {type(model).__name__}, not a classifier; publish the judge again"
        )
    return model


def probabilities(images: Tensor) -> Tensor:
    """The judge's verdict (B, 10) on images (B, 1, 28, 28) in [-1, 1], 500 at a time to bound memory."""
    judge = load()
    with torch.inference_mode():
        parts = [judge.classify(part).softmax(1) for part in torch.split(images, 500)]
    return torch.cat(parts)


def features(images: Tensor) -> Tensor:
    """The judge's hidden layer (B, 128) of images (B, 1, 28, 28) in [-1, 1], 500 at a time to bound memory."""
    judge = load()
    if not isinstance(judge, SupportsFeatures):
        raise CheckpointError(f"checkpoint {NAME!r} has no features to compare pictures by; publish the judge again")
    with torch.inference_mode():
        return torch.cat([judge.features(part) for part in torch.split(images, 500)])


def predictions(images: Tensor) -> Tensor:
    """The digits (B,) that the judge reads in images (B, 1, 28, 28) in [-1, 1]."""
    return probabilities(images).argmax(1)


def class_histogram(images: Tensor) -> Tensor:
    """Share of pictures the judge reads as each digit, (10,), summing to 1."""
    return class_fractions(predictions(images))


def class_fractions(digits: Tensor) -> Tensor:
    """Share of each digit, (10,), among digits (B,)."""
    return torch.bincount(digits, minlength=10).float() / len(digits)
