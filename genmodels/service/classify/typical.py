"""Activation maximisation for the classify page: the image of each digit that a classifier finds most typical.

Gradient ascent takes seconds. It runs in short tasks, so that other visitors' requests run in between.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from genmodels.capabilities import SupportsClassification
from genmodels.data import DataConfig
from genmodels.data.loader import to_float
from genmodels.evaluation.activation_maximisation import Ascent, AscentSettings, Start, initial_images
from genmodels.runs import checkpoint
from genmodels.service.cache import LRU
from genmodels.service.classify import CLASSES, as_classifier, classifier_of, outputs, require_digits
from genmodels.service.dataset_images import test_images, tile_png
from genmodels.service.fair_queue import queued
from genmodels.service.inference import ModelKey, PredictedClass, has_judge, predict, run
from genmodels.service.requests import ModelRequest

_SLICE = 0.05  # seconds one task may hold the inference thread

Strength = Literal["light", "medium", "strong"]
_SMOOTH: dict[Strength, AscentSettings] = {
    "light": AscentSettings(l2=4, tv=10, jitter=1, blur=0.5),
    "medium": AscentSettings(l2=8, tv=30, jitter=1, blur=0.5),
    "strong": AscentSettings(l2=16, tv=60, jitter=1, blur=0.6),
}


class TypicalRequest(ModelRequest):
    """A classifier, the start of the ascent, and the strength of the regularisation in the second row."""

    start: Start = Field("mean", description="the image to start from")
    strength: Strength = Field("medium", description="strength of the regularisation")


@dataclass(frozen=True)
class Typical:
    """An image optimised for a class, what the classifier reads in it, and what the reference classifier reads."""

    png: bytes
    label: str
    own: PredictedClass
    judged: PredictedClass | None


@dataclass(frozen=True)
class Typicals:
    """Ten images without regularisation, and ten with it."""

    free: tuple[Typical, ...]
    smooth: tuple[Typical, ...]


_typicals: LRU[tuple[ModelKey, TypicalRequest], Typicals] = LRU(32)


def typical(request: TypicalRequest) -> Typicals:
    """The images of the ten digits that maximise a classifier's outputs, without and with regularisation; cached.

    150 steps take 0.3 s for a perceptron and 2 s for a convolutional network. Raises CapabilityError and
    UnknownNameError.
    """
    require_digits(request.model)
    key = run(lambda: classifier_of(request.model, request.step)[1])

    def compute() -> Typicals:
        model, judged = run(_load_for_gradients(key, request.model)), has_judge(request.model)
        mean, variance = _pixels()
        rows = []
        with queued():
            for settings in (AscentSettings(), _SMOOTH[request.strength]):
                start, labels = initial_images(request.start, mean, CLASSES), torch.arange(CLASSES)
                ascent = Ascent(start, labels, settings, mean, variance)
                while not ascent.done:
                    run(_steps(ascent, model), divided=True)
                rows.append(run(_readings(ascent.images, model, judged), divided=True))
        return Typicals(*rows)

    return _typicals.get_or_compute((key, request), compute)


def _load_for_gradients(key: ModelKey, name: str) -> Callable[[], SupportsClassification]:
    """Load the model again: weights created in inference mode, such as those of cached models, have no gradients."""

    def task() -> SupportsClassification:
        with torch.inference_mode(False):
            return as_classifier(checkpoint.load_model(key[0], key[1]), name)

    return task


def _steps(ascent: Ascent, model: SupportsClassification) -> Callable[[], None]:
    def task() -> None:
        until = time.perf_counter() + _SLICE
        while not ascent.done and time.perf_counter() < until:
            ascent.step(model)

    return task


def _readings(images: Tensor, model: SupportsClassification, judged: bool) -> Callable[[], tuple[Typical, ...]]:
    def task() -> tuple[Typical, ...]:
        best, top = outputs(model, images).max(1)
        return tuple(
            Typical(
                tile_png(images[label]),
                str(label),
                PredictedClass(str(int(top[label])), float(best[label])),
                predict(images[label : label + 1]) if judged else None,
            )
            for label in range(len(images))
        )

    return task


@lru_cache(maxsize=1)
def _pixels() -> tuple[Tensor, Tensor]:
    """Mean and variance (1, 28, 28) of each pixel in [0, 1] over the digits that come with the program."""
    x = to_float(torch.from_numpy(test_images(DataConfig()).images.copy())).add(1).mul(0.5)
    return x.mean(0), x.var(0)
