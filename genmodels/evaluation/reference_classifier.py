"""Reference classifier for digits: a published model that classifies generated digits and provides features."""

from __future__ import annotations

import torch
from torch import Tensor

from genmodels.capabilities import SupportsClassification, SupportsFeatures
from genmodels.data.spec import DataSpec
from genmodels.errors import CheckpointError
from genmodels.runs import catalog

NAME = "mnist_judge"


def applies_to(spec: DataSpec) -> bool:
    """Whether the data is handwritten digits in the classifier's format."""
    return spec.image_shape == (1, 28, 28) and spec.classes == tuple("0123456789")


def published() -> bool:
    """Whether the classifier is published. Not cached (0.1 ms): it may be published while a server runs."""
    return any(catalog.checkpoints_root().glob(f"{NAME}/step-*"))


def load() -> SupportsClassification:
    """The published classifier. Raises UnknownNameError if it is not published."""
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


def predictions(images: Tensor) -> Tensor:
    """Predicted digits (B,) of images (B, 1, 28, 28) in [-1, 1]."""
    return probabilities(images).argmax(1)


def class_histogram(images: Tensor) -> Tensor:
    """Fraction of images predicted as each digit, (10,), with sum 1."""
    return class_fractions(predictions(images))


def class_fractions(digits: Tensor) -> Tensor:
    """Fraction of each digit, (10,), among digits (B,)."""
    return torch.bincount(digits, minlength=10).float() / len(digits)
