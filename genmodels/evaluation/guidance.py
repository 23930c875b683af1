"""Guidance against variety: class agreement, precision and recall of generated digits at several guidance scales."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from genmodels import data
from genmodels.capabilities import FlowConfig, SupportsFlow
from genmodels.data.spec import Arrays
from genmodels.evaluation import reference_classifier
from genmodels.evaluation.distances import manifold
from genmodels.evaluation.splits import shuffled
from genmodels.latent import z_of_seeds
from genmodels.model import Model
from genmodels.recipes import Spec

SCALES = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 8.0)
"""0 ignores the class, 1 is no guidance."""
SAMPLES = 1_000
_BATCH = 100


@dataclass(frozen=True)
class GuidancePoint:
    """Metrics of digits generated at one guidance scale; precision and recall as in `distances.manifold`."""

    scale: float
    agreement: float
    precision: float
    recall: float


def applies_to(model: Model, spec: Spec) -> bool:
    """Whether it is a guidable flow of digits, and the reference classifier is published."""
    return (
        isinstance(model, SupportsFlow)
        and isinstance(model.config, FlowConfig)
        and model.config.guidable
        and reference_classifier.applies_to(spec.data_spec)
        and reference_classifier.published()
    )


def curve(
    model: Model,
    spec: Spec,
    *,
    scales: Sequence[float] = SCALES,
    samples: int = SAMPLES,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[GuidancePoint, ...]:
    """A point per scale, from the same seeds; raises DataError if the test data is missing.

    `report` is called with the number of images generated so far and of all.
    """
    arrays = shuffled(data.load(spec.data, "test"), samples)
    points = []
    for index, scale in enumerate(scales):
        parts = []
        for start in range(0, samples, _BATCH):
            parts.append(batch(model, scale, start, min(_BATCH, samples - start)))
            report(index * samples + start + len(parts[-1]), len(scales) * samples)
        points.append(point(scale, torch.cat(parts), arrays))
    return tuple(points)


def stored(model: Model, spec: Spec, samples: int = SAMPLES) -> dict[str, Any]:
    """The entry `guidance` of a checkpoint's metrics file: number of samples per scale, and the points of the curve.

    Empty if the model is no guidable flow of digits.
    """
    if not applies_to(model, spec):
        return {}
    points = [asdict(point) for point in curve(model, spec, samples=samples)]
    return {"guidance": {"samples": samples, "points": points}}


def batch(model: Model, scale: float, first: int, count: int) -> Tensor:
    """The images (count, 1, 28, 28) of the seeds from `first` on, with the model's own solver; classes in turn."""
    assert isinstance(model, SupportsFlow)  # `applies_to` is false otherwise
    z = z_of_seeds(range(first, first + count), torch.Size(model.config.shape).numel())
    x = z.view(-1, *model.config.shape).to(model.device)
    with torch.inference_mode():
        *_, end = model.flow(x, condition={"label": labels(first, count).to(model.device)}, guidance=scale)
    return end.clamp(-1, 1).float().cpu()


def labels(first: int, count: int) -> Tensor:
    """The classes (count,) of the seeds from `first` on."""
    return torch.arange(first, first + count) % 10


def point(scale: float, generated: Tensor, real: Arrays) -> GuidancePoint:
    """The metrics of the images of seeds 0, 1, 2, ..., against as many real images, in random order."""
    agreement = reference_classifier.predictions(generated) == labels(0, len(generated))
    features = reference_classifier.features_of_set(real)[: len(generated)]
    support = manifold(features, reference_classifier.features(generated))
    return GuidancePoint(scale, float(agreement.float().mean()), support.precision, support.recall)
