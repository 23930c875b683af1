"""Requests of the classify page: predictions for one digit, and the confusion matrix with the worst mistakes.

One drawing goes to all classifiers in one task: eight small networks take about 10 ms. The confusion matrix takes
seconds and runs in short tasks, so that other visitors' requests run in between.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from genmodels.capabilities import SupportsClassification, SupportsProbabilities
from genmodels.data import DataConfig, get_spec, missing
from genmodels.data.loader import to_float
from genmodels.errors import CapabilityError, DataError
from genmodels.evaluation import judge_domain, reference_classifier
from genmodels.images import drawing
from genmodels.runs import catalog
from genmodels.runs.catalog import CheckpointInfo
from genmodels.runs.folder import RunFolder
from genmodels.service.cache import LRU
from genmodels.service.dataset_images import test_images, tile_png
from genmodels.service.fair_queue import queued
from genmodels.service.inference import ModelKey, PredictedClass, model_of, plain, run

MAX_CLASSIFIERS, CLASSES, WORST = 8, 10, 12
_BATCH = 100


@dataclass(frozen=True)
class Prediction:
    """One classifier's output in [0, 1] per class, the sum of the outputs, and the class with the largest one."""

    name: str
    probabilities: tuple[float, ...]
    total: float
    top: int


@dataclass(frozen=True)
class Predictions:
    """The preprocessed image, its class if known, and the predictions in the order of the request."""

    prepared: bytes
    label: str
    predictions: tuple[Prediction, ...]
    outside: bool
    """Whether the image is unlike the digits that classifiers know; False if the reference classifier is missing."""


@dataclass(frozen=True)
class Mistake:
    """A misclassified test digit: its index, its class, and the prediction."""

    png: bytes
    index: int
    label: str
    predicted: PredictedClass


@dataclass(frozen=True)
class Confusion:
    """counts[true][predicted] over `total` test digits of `data`, and the mistakes with the highest confidence."""

    counts: tuple[tuple[int, ...], ...]
    data: str
    total: int
    right: int
    worst: tuple[Mistake, ...]

    @property
    def accuracy(self) -> float:
        return self.right / self.total


# ------------------------------------------------------------------------------ which classifiers


def classifiers() -> tuple[CheckpointInfo, ...]:
    """Published digit classifiers, then own runs; each group by rising accuracy, unmeasured ones last."""
    infos = [
        info
        for info in catalog.list_checkpoints()
        if "classification" in info.capabilities
        and reference_classifier.applies_to(RunFolder(info.path).spec().data_spec)
    ]
    return tuple(sorted(infos, key=lambda info: (not info.published, info.metrics.get("accuracy", 2.0), info.name)))


def test_set_title() -> str:
    """The title of the data set of the test digits."""
    return get_spec(_digits()).title


def is_unseen(name: str) -> bool:
    """Whether the test digits were not in a classifier's training data.

    The 5,000 digits that come with the program are from MNIST's training split, so models trained on MNIST saw them.
    """
    return _digits().name == "mnist" or RunFolder(catalog.find(plain(name))).spec().data.name != "mnist"


# ------------------------------------------------------------------------------ one digit


def classify(names: tuple[str, ...], *, ink: np.ndarray | None = None, index: int = 0) -> Predictions:
    """Predictions of up to eight classifiers for a drawing (white on black, uint8 (H, W)), or for test digit `index`.

    Raises EmptyDrawingError if nothing is drawn, CapabilityError if a model does not classify digits, and
    UnknownNameError.
    """
    if not 1 <= len(names) <= MAX_CLASSIFIERS:
        raise CapabilityError(f"{len(names)} classifiers were chosen; choose 1 to {MAX_CLASSIFIERS}")
    for name in names:
        require_digits(name)
    x, label = (drawing.to_mnist(ink).unsqueeze(0), "") if ink is not None else _test_digit(index)

    def task() -> Predictions:
        predictions = []
        for name in names:
            values = outputs(classifier_of(name)[0], x)[0]
            predictions.append(Prediction(name, tuple(values.tolist()), float(values.sum()), int(values.argmax())))
        judged = reference_classifier.published()
        outside = judged and bool(judge_domain.outside(reference_classifier.features(x)).item())
        return Predictions(tile_png(x), label, tuple(predictions), outside)

    return run(task)


def prediction_table(names: Sequence[str], *, ink: np.ndarray | None = None, index: int = 0) -> str:
    """The predictions of `classify` as text: a line per classifier with its digit and the output for each digit."""
    predictions = classify(tuple(names), ink=ink, index=index)
    lines = [f"{'':30} digit  " + " ".join(f"{digit:6}" for digit in range(CLASSES))]
    for one in predictions.predictions:
        lines.append(f"{one.name:30} {one.top:5}  " + " ".join(f"{value:6.3f}" for value in one.probabilities))
    return "\n".join(lines)


def digit_count() -> int:
    """The number of test digits."""
    return len(test_images(_digits()).images)


def outputs(model: SupportsClassification, x: Tensor) -> Tensor:
    """Outputs (B, K) in [0, 1]: the model's own `probabilities`, else the softmax of its logits."""
    return model.probabilities(x) if isinstance(model, SupportsProbabilities) else model.classify(x).float().softmax(1)


# ------------------------------------------------------------------------------ mistakes


_confusions: LRU[tuple[ModelKey, str], Confusion] = LRU(32)


def confusion(name: str) -> Confusion:
    """The confusion matrix over the test digits and the twelve most confident mistakes; cached.

    10,000 digits take a perceptron half a second and a convolutional network about ten. Raises CapabilityError and
    UnknownNameError.
    """
    require_digits(name)
    config = _digits()
    arrays = test_images(config)
    key = run(lambda: classifier_of(name)[1])

    def compute() -> Confusion:
        parts = []
        with queued():
            for start in range(0, len(arrays.images), _BATCH):
                part = to_float(torch.from_numpy(arrays.images[start : start + _BATCH].copy()))
                parts.append(run(_outputs_of(name, part), divided=True))
        return _counted(torch.cat(parts), arrays.images, torch.from_numpy(arrays.labels))

    return _confusions.get_or_compute((key, config.name), compute)


def _outputs_of(name: str, images: Tensor) -> Callable[[], Tensor]:
    return lambda: outputs(classifier_of(name)[0], images)


def _counted(values: Tensor, images: np.ndarray, labels: Tensor) -> Confusion:
    best, top = values.max(1)
    counts = torch.bincount(labels * CLASSES + top, minlength=CLASSES**2).view(CLASSES, CLASSES)
    wrong = torch.nonzero(top != labels).flatten()
    confident = wrong[best[wrong].argsort(descending=True, stable=True)][:WORST]
    worst = tuple(
        Mistake(
            tile_png(to_float(torch.from_numpy(images[i].copy()))),
            i,
            str(int(labels[i])),
            PredictedClass(str(int(top[i])), float(best[i])),
        )
        for i in confident.tolist()
    )
    rows = tuple(tuple(int(count) for count in row) for row in counts.tolist())
    return Confusion(rows, test_set_title(), len(labels), int((top == labels).sum()), worst)


# ------------------------------------------------------------------------------ on the inference thread


def classifier_of(name: str, step: int | None = None) -> tuple[SupportsClassification, ModelKey]:
    """The model and its key; raises CapabilityError if it is not a classifier."""
    model, key = model_of(name, step)
    return as_classifier(model, name), key


def as_classifier(model: Any, name: str) -> SupportsClassification:
    """The same model as a classifier; raises CapabilityError if it is not one."""
    if not isinstance(model, SupportsClassification):
        raise CapabilityError(f"{name} is not a classifier; choose a classifier of digits")
    return model


# ------------------------------------------------------------------------------ on the caller's thread: files only


def require_digits(name: str) -> None:
    """Raises CapabilityError if a model was not trained on images of digits, and UnknownNameError."""
    if not reference_classifier.applies_to(RunFolder(catalog.find(plain(name))).spec().data_spec):
        raise CapabilityError(f"{name} was trained on other pictures than digits of 28 x 28; choose one of digits")


def _digits() -> DataConfig:
    """MNIST if it is on this machine, else the digits that come with the program."""
    config = DataConfig(name="mnist")
    return config if missing(config) is None else DataConfig()


def _test_digit(index: int) -> tuple[Tensor, str]:
    arrays = test_images(_digits())
    if not 0 <= index < len(arrays.images):
        raise DataError(f"test digit {index} does not exist; choose 0 to {len(arrays.images) - 1:,}")
    return to_float(torch.from_numpy(arrays.images[index : index + 1].copy())), str(int(arrays.labels[index]))
