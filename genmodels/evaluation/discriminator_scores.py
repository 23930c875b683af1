"""Output of a discriminator or critic on real and generated images, if the checkpoint contains it."""

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
    """Scores (N,) of real and of as many generated images.

    `probability`: they are D in [0, 1]; otherwise scores of a critic, which have no zero. `class_conditional`: the
    discriminator is given each real image's class, and the class each generated image is conditioned on.
    """

    real: Tensor
    generated: Tensor
    probability: bool
    class_conditional: bool


def measure(model: Model, arrays: Arrays, seed: int = 0) -> dict[str, float]:
    """`score/real` and `score/fake` with spreads: the mean output on 1,000 test and 1,000 generated images."""
    if not isinstance(model, SupportsSampling) or "scoring" not in capabilities.of(model):
        return {}
    scores = score_samples(model, arrays, SCORED, seed)
    return {
        **with_spreads(lambda part: {"score/real": float(part.mean())}, scores.real),
        **with_spreads(lambda part: {"score/fake": float(part.mean())}, scores.generated),
    }


def score_samples(model: Model, arrays: Arrays, count: int, seed: int = 0) -> Scores:
    """The scores of the first `count` images and of as many generated ones. Raises CapabilityError.

    Batch normalisation uses the statistics of each batch, as in training: running statistics mix real and generated
    images, which a discriminator never sees in one batch.
    """
    if not isinstance(model, SupportsScoring) or not isinstance(model, SupportsSampling):
        raise CapabilityError(f"{model.title} has no discriminator")
    images = to_float(torch.from_numpy(arrays.images[:count].copy()))
    labels = torch.from_numpy(arrays.labels[:count].copy())
    generator = generator_of(seed, model.device)
    scorer: Any = as_trained(model)
    classes = model.conditions.get("label")
    real: list[Tensor] = []
    generated: list[Tensor] = []
    for start in range(0, len(images), _BATCH):
        batch = images[start : start + _BATCH].to(model.device)
        true: Condition = None
        condition: Condition = None
        if classes is not None:
            true = {"label": labels[start : start + _BATCH].to(model.device)}
            condition = {"label": (torch.arange(len(batch), device=model.device) + start) % classes}
        samples = model.sample(len(batch), condition=condition, generator=generator)
        real.append(scorer.score(batch, condition=true).float().cpu())
        generated.append(scorer.score(samples, condition=condition).float().cpu())
    probability = "discriminator" in model.training_only  # a WGAN has a critic instead, whose scores are unbounded
    both = [torch.cat(parts) for parts in (real, generated)]
    of_real, of_generated = (part.sigmoid() for part in both) if probability else both
    return Scores(of_real, of_generated, probability, classes is not None)


def as_trained(model: Model) -> Model:
    """The model; with batch normalisation in its discriminator, a copy that uses the statistics of each batch."""
    if not _normalisations(model):
        return model
    copied = copy.deepcopy(model)
    for module in _normalisations(copied):
        module.train()
    return copied


def _normalisations(model: Model) -> list[nn.Module]:
    parts = (getattr(model, name) for name in model.training_only)
    return [module for part in parts if part is not None for module in part.modules() if isinstance(module, _BatchNorm)]
