"""What a discriminator or critic says of real and of drawn pictures, where the checkpoint kept it."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from genmodels import capabilities
from genmodels.capabilities import Condition, SupportsSampling, SupportsScoring
from genmodels.data.loader import to_float
from genmodels.data.spec import Arrays
from genmodels.errors import CapabilityError
from genmodels.evaluation.splits import with_spreads
from genmodels.model import Model
from genmodels.seeding import generator_of

SCORED = 1_000
_BATCH = 500


@dataclass(frozen=True)
class Scores:
    """To real pictures and to as many drawn ones, (N,) each.

    `probability`: they are D in [0, 1], else a critic's scores, whose zero means nothing. `class_conditional`: real
    pictures came with their own class, drawn ones with the class they were asked for.
    """

    real: Tensor
    drawn: Tensor
    probability: bool
    class_conditional: bool


def measure(model: Model, arrays: Arrays, seed: int = 0) -> dict[str, float]:
    """`score/real` and `score/fake`, the mean answers to 1,000 test pictures and to 1,000 drawn, with spreads."""
    if not isinstance(model, SupportsSampling) or "scoring" not in capabilities.of(model):
        return {}
    found = score_samples(model, arrays, SCORED, seed)
    return {
        **with_spreads(lambda part: {"score/real": float(part.mean())}, found.real),
        **with_spreads(lambda part: {"score/fake": float(part.mean())}, found.drawn),
    }


def score_samples(model: Model, arrays: Arrays, count: int, seed: int = 0) -> Scores:
    """The answers to the first `count` pictures of `arrays` and to as many that are drawn; raises CapabilityError.

    A discriminator with batch normalisation is asked as it was in training, about batches of one kind: its running
    statistics are of real and drawn pictures mixed, which it never saw together.
    """
    if not isinstance(model, SupportsScoring) or not isinstance(model, SupportsSampling):
        raise CapabilityError(f"{model.title} has no discriminator to ask")
    real = to_float(torch.from_numpy(arrays.images[:count].copy()))
    labels = torch.from_numpy(arrays.labels[:count].copy())
    generator = generator_of(seed, model.device)
    asking: Any = as_trained(model)
    classes = model.conditions.get("label")
    given: list[Tensor] = []
    made: list[Tensor] = []
    for start in range(0, len(real), _BATCH):
        part = real[start : start + _BATCH].to(model.device)
        true: Condition = None
        asked: Condition = None
        if classes is not None:
            true = {"label": labels[start : start + _BATCH].to(model.device)}
            asked = {"label": (torch.arange(len(part), device=model.device) + start) % classes}
        drawn = model.sample(len(part), condition=asked, generator=generator)
        given.append(asking.score(part, condition=true).float().cpu())
        made.append(asking.score(drawn, condition=asked).float().cpu())
    curve = model.curves().get("score/real")
    probability = curve is not None and curve.ideal is not None  # a critic's scores have no ideal value
    both = [torch.cat(part) for part in (given, made)]
    real_answers, drawn_answers = (part.sigmoid() for part in both) if probability else both
    return Scores(real_answers, drawn_answers, probability, classes is not None)


def as_trained(model: Model) -> Model:
    """The model, or where its discriminator normalises batches a copy that does so by each batch's own statistics."""
    if not _normalisations(model):
        return model
    copied = copy.deepcopy(model)
    for module in _normalisations(copied):
        module.train()
    return copied


def _normalisations(model: Model) -> list[nn.Module]:
    parts = (getattr(model, name) for name in model.training_only)
    return [module for part in parts if part is not None for module in part.modules() if isinstance(module, _BatchNorm)]
