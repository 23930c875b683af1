"""The classify page's requests: what every classifier of digits says of one digit, and which test digits it gets wrong.

What each finds typical of a digit is in `classify_typical`. A drawing goes to all classifiers in one task: eight small
networks answer in about 10 ms. What takes seconds, ten thousand test digits, is cut into short tasks, so that other
visitors' pictures come in between.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from genmodels import catalog
from genmodels.capabilities import SupportsClassification, SupportsProbabilities
from genmodels.catalog import CheckpointInfo
from genmodels.data import DataConfig, get_spec, missing
from genmodels.data.loader import to_float
from genmodels.errors import CapabilityError, DataError
from genmodels.evaluation import reference_classifier
from genmodels.images import drawing
from genmodels.runfolder import RunFolder
from genmodels.service.fair_queue import queued
from genmodels.service.inference import ModelKey, Reading, model_of, plain, run
from genmodels.service.real_pictures import test_pictures, tile_png

MAX_ASKED, CLASSES, WORST = 8, 10, 12
_BATCH = 100
_KEPT = 32


@dataclass(frozen=True)
class Answer:
    """What one classifier says of a digit: each class's output in [0, 1], their sum, and the class of the largest."""

    name: str
    probabilities: tuple[float, ...]
    total: float
    top: int


@dataclass(frozen=True)
class Answers:
    """The picture as the classifiers get it, its class where it is known, and the answers in the order asked."""

    prepared: bytes
    label: str
    answers: tuple[Answer, ...]


@dataclass(frozen=True)
class Mistake:
    """A test digit that was misread: its number, its class, and what was read."""

    png: bytes
    index: int
    label: str
    read: Reading


@dataclass(frozen=True)
class Confusion:
    """counts[true][read] over `total` test digits of `data`, and the misreadings the classifier was surest of."""

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
    """Published classifiers of digits and then own runs, in each the least accurate first, the unmeasured last."""
    found = [
        info
        for info in catalog.list_checkpoints()
        if "classification" in info.capabilities
        and reference_classifier.applies_to(RunFolder(info.path).spec().data_spec)
    ]
    return tuple(sorted(found, key=lambda info: (not info.published, info.metrics.get("accuracy", 2.0), info.name)))


def data_here() -> str:
    """The title of the test digits that are shown and counted."""
    return get_spec(_digits()).title


def are_new(name: str) -> bool:
    """Whether the digits that are shown and counted are new to a classifier.

    The 5,000 that come with the program are of MNIST's training digits, so whoever learned from MNIST has met them.
    """
    return _digits().name == "mnist" or RunFolder(catalog.find(plain(name))).spec().data.name != "mnist"


# ------------------------------------------------------------------------------ one digit


def classify(names: tuple[str, ...], *, ink: np.ndarray | None = None, index: int = 0) -> Answers:
    """Ask up to eight classifiers about a drawing (white on black, uint8 (H, W)), or about test digit `index`.

    Raises EmptyDrawingError where nothing is drawn, CapabilityError for a model that does not name digits, and
    UnknownNameError.
    """
    if not 1 <= len(names) <= MAX_ASKED:
        raise CapabilityError(f"{len(names)} classifiers were chosen; choose 1 to {MAX_ASKED}")
    for name in names:
        require_digits(name)
    x, label = (drawing.to_mnist(ink).unsqueeze(0), "") if ink is not None else _test_digit(index)

    def task() -> Answers:
        found = []
        for name in names:
            values = outputs(classifier_of(name)[0], x)[0]
            found.append(Answer(name, tuple(values.tolist()), float(values.sum()), int(values.argmax())))
        return Answers(tile_png(x), label, tuple(found))

    return run(task)


def digit_count() -> int:
    """How many test digits there are to pick from."""
    return len(test_pictures(_digits()).images)


def outputs(model: SupportsClassification, x: Tensor) -> Tensor:
    """What a model says of each class, (B, K) in [0, 1]: its own `probabilities`, else the softmax of its logits."""
    return model.probabilities(x) if isinstance(model, SupportsProbabilities) else model.classify(x).float().softmax(1)


# ------------------------------------------------------------------------------ mistakes


_confusions: OrderedDict[tuple[ModelKey, str], Confusion] = OrderedDict()


def confusion(name: str) -> Confusion:
    """Each test digit's class against what is read, and the twelve mistakes made with most certainty; kept once made.

    10,000 digits take a perceptron half a second and the judge about ten. Raises CapabilityError, UnknownNameError.
    """
    require_digits(name)
    config = _digits()
    arrays = test_pictures(config)
    key = run(lambda: classifier_of(name)[1])
    if (key, config.name) not in _confusions:
        parts = []
        with queued():
            for start in range(0, len(arrays.images), _BATCH):
                part = to_float(torch.from_numpy(arrays.images[start : start + _BATCH].copy()))
                parts.append(run(_outputs_of(name, part), divided=True))
        _confusions[key, config.name] = _counted(torch.cat(parts), arrays.images, torch.from_numpy(arrays.labels))
        while len(_confusions) > _KEPT:
            _confusions.popitem(last=False)
    return _confusions[key, config.name]


def _outputs_of(name: str, images: Tensor) -> Callable[[], Tensor]:
    return lambda: outputs(classifier_of(name)[0], images)


def _counted(values: Tensor, images: np.ndarray, labels: Tensor) -> Confusion:
    best, top = values.max(1)
    counts = torch.bincount(labels * CLASSES + top, minlength=CLASSES**2).view(CLASSES, CLASSES)
    wrong = torch.nonzero(top != labels).flatten()
    surest = wrong[best[wrong].argsort(descending=True, stable=True)][:WORST]
    worst = tuple(
        Mistake(
            tile_png(to_float(torch.from_numpy(images[i].copy()))),
            i,
            str(int(labels[i])),
            Reading(str(int(top[i])), float(best[i])),
        )
        for i in surest.tolist()
    )
    rows = tuple(tuple(int(count) for count in row) for row in counts.tolist())
    return Confusion(rows, data_here(), len(labels), int((top == labels).sum()), worst)


# ------------------------------------------------------------------------------ on the inference thread


def classifier_of(name: str) -> tuple[SupportsClassification, ModelKey]:
    """The model and its identity; raises CapabilityError for one that does not name pictures."""
    model, key = model_of(name, None)
    return as_classifier(model, name), key


def as_classifier(model: Any, name: str) -> SupportsClassification:
    """The same model, as one that names pictures; raises CapabilityError."""
    if not isinstance(model, SupportsClassification):
        raise CapabilityError(f"{name} does not name pictures; choose a classifier of digits")
    return model


# ------------------------------------------------------------------------------ on the caller's thread: files only


def require_digits(name: str) -> None:
    """Raises CapabilityError for a model of other pictures than digits, UnknownNameError."""
    if not reference_classifier.applies_to(RunFolder(catalog.find(plain(name))).spec().data_spec):
        raise CapabilityError(f"{name} was trained on other pictures than digits of 28 x 28; choose one of digits")


def _digits() -> DataConfig:
    """MNIST's test digits where they are, else those that come with the program."""
    config = DataConfig(name="mnist")
    return config if missing(config) is None else DataConfig()


def _test_digit(index: int) -> tuple[Tensor, str]:
    arrays = test_pictures(_digits())
    if not 0 <= index < len(arrays.images):
        raise DataError(f"test digit {index} does not exist; choose 0 to {len(arrays.images) - 1:,}")
    return to_float(torch.from_numpy(arrays.images[index : index + 1].copy())), str(int(arrays.labels[index]))
