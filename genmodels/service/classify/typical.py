"""What a classifier finds most typical of each digit, for the classify page.

An ascent takes seconds, so it is cut into short tasks for the inference thread: other visitors' pictures come in
between.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from genmodels import checkpoint
from genmodels.capabilities import SupportsClassification
from genmodels.config import Frozen
from genmodels.data import DataConfig
from genmodels.data.loader import to_float
from genmodels.evaluation.activation_maximisation import Ascent, Climb, Start, start_pictures
from genmodels.service.classify import CLASSES, as_classifier, classifier_of, outputs, require_digits
from genmodels.service.fair_queue import queued
from genmodels.service.inference import ModelKey, Reading, has_judge, read, run
from genmodels.service.real_pictures import test_pictures, tile_png

_SLICE = 0.05  # seconds one task may hold the inference thread
_KEPT = 32

Strength = Literal["light", "medium", "strong"]
_SMOOTH: dict[Strength, Climb] = {
    "light": Climb(l2=4, tv=10, jitter=1, blur=0.5),
    "medium": Climb(l2=8, tv=30, jitter=1, blur=0.5),
    "strong": Climb(l2=16, tv=60, jitter=1, blur=0.6),
}


class Backquery(Frozen):
    """Which classifier is asked, where the ascent begins, and how smooth its second row is kept."""

    model: str = Field(min_length=1, max_length=200, description="name of a checkpoint or run")
    start: Start = Field("mean", description="the picture to begin with")
    strength: Strength = Field("medium", description="how much rough and unusual pictures are held back")


@dataclass(frozen=True)
class Typical:
    """A picture made for a class: the classifier's output for that class, its reading, and the judge's."""

    png: bytes
    label: str
    own: Reading
    judged: Reading | None


@dataclass(frozen=True)
class Typicals:
    """Ten pictures that only the classifier's certainty led to, and ten that were kept smooth."""

    free: tuple[Typical, ...]
    smooth: tuple[Typical, ...]


_typicals: OrderedDict[tuple[ModelKey, Backquery], Typicals] = OrderedDict()


def typical(asked: Backquery) -> Typicals:
    """Ten digits as a classifier would most like to see them, with and without regularisation; kept once made.

    150 steps take 0.3 s for a perceptron and 2 s for the judge. Raises CapabilityError and UnknownNameError.
    """
    require_digits(asked.model)
    key = run(lambda: classifier_of(asked.model)[1])
    if (key, asked) not in _typicals:
        model, judged = run(_read_anew(key, asked.model)), has_judge(asked.model)
        mean, variance = _pixels()
        rows = []
        with queued():
            for climb in (Climb(), _SMOOTH[asked.strength]):
                start, labels = start_pictures(asked.start, mean, CLASSES), torch.arange(CLASSES)
                ascent = Ascent(start, labels, climb, mean, variance)
                while not ascent.done:
                    run(_steps(ascent, model), divided=True)
                rows.append(run(_verdicts(ascent.images, model, judged), divided=True))
        _typicals[key, asked] = Typicals(*rows)
        while len(_typicals) > _KEPT:
            _typicals.popitem(last=False)
    return _typicals[key, asked]


def _read_anew(key: ModelKey, name: str) -> Callable[[], SupportsClassification]:
    """Weights made in inference mode, as those of the kept models, take no part in gradients."""

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


def _verdicts(images: Tensor, model: SupportsClassification, judged: bool) -> Callable[[], tuple[Typical, ...]]:
    def task() -> tuple[Typical, ...]:
        best, top = outputs(model, images).max(1)
        return tuple(
            Typical(
                tile_png(images[label]),
                str(label),
                Reading(str(int(top[label])), float(best[label])),
                read(images[label : label + 1]) if judged else None,
            )
            for label in range(len(images))
        )

    return task


@lru_cache(maxsize=1)
def _pixels() -> tuple[Tensor, Tensor]:
    """Mean and variance (1, 28, 28) of each pixel in [0, 1], over the digits that come with the program."""
    x = to_float(torch.from_numpy(test_pictures(DataConfig()).images.copy())).add(1).mul(0.5)
    return x.mean(0), x.var(0)
