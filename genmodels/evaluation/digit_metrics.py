"""Metrics of generated digits from the reference classifier: class histogram, FID, KID, precision and recall.

Its features are the 128 activations of its hidden layer. A "FID (classifier features)" is comparable only with FIDs of
the same classifier, not with an Inception FID.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from genmodels.data.spec import Arrays
from genmodels.evaluation import reference_classifier
from genmodels.evaluation.distances import frechet, kernel_distance, manifold
from genmodels.evaluation.splits import fifths, spreads, with_spreads
from genmodels.model import Model
from genmodels.seeding import generator_of

FEWEST = 30  # images of each set that distances need: a fifth needs more than five
_MOST_NEIGHBOURS = 5_000  # images of each set for precision, recall, density, coverage: 10,000 take four times as long
_MOST_KERNEL = 10_000  # images of each set for the KID, computed in fifths


def measure(generated: Tensor, test: Arrays, train: Arrays) -> dict[str, float]:
    """Metrics of generated images (N, 1, 28, 28) in [-1, 1]; see `metric_table`.

    The sets must be in random order, since parts of them are compared, too. With fewer than 30 generated, test or
    training images, only classes are counted.
    """
    digits = reference_classifier.predictions(generated)
    metrics = with_spreads(_class_fractions, digits)
    if min(len(generated), len(test.images), len(train.images)) < FEWEST:
        return metrics
    features = reference_classifier.features(generated)
    real, seen = (reference_classifier.features_of_set(part) for part in (test, train))
    metrics |= with_spreads(lambda part: {"judge/frechet": frechet(part, real)}, features)
    metrics["judge/frechet_real"] = frechet(seen[: len(real)], real)
    metrics["judge/kernel_real"] = _kid(seen, real)["judge/kernel"]
    return metrics | _kid(features, real) | _precision_recall(real, features)


def _class_fractions(digits: Tensor) -> dict[str, float]:
    fractions = reference_classifier.class_fractions(digits)
    metrics = {f"classes/fraction_{digit}": float(fraction) for digit, fraction in enumerate(fractions)}
    return metrics | class_balance(fractions)


def fid(generated: Tensor, test: Arrays) -> float:
    """Fréchet distance between the features of generated and of test images."""
    return frechet(reference_classifier.features(generated), reference_classifier.features_of_set(test))


def class_balance(fractions: Tensor) -> dict[str, float]:
    """Of class fractions (K,): the smallest, the number above 1 %, and KL(fractions || uniform) in nats, 0 to ln K."""
    positive = fractions[fractions > 0].double()
    entropy = -float((positive * positive.log()).sum())
    return {
        "classes/min_fraction": float(fractions.min()),
        "classes/above_1_percent": float((fractions > 0.01).sum()),
        "classes/kl_uniform": math.log(len(fractions)) - entropy,
    }


def class_agreement(model: Model, samples: int, seed: int) -> dict[str, float]:
    """`labels/agreement` with its spread: the fraction of conditional samples predicted as their class."""
    generator = generator_of(seed, model.device)
    correct = []
    for start in range(0, samples, 500):
        label = torch.arange(start, min(start + 500, samples)) % 10
        generated = model.sample(len(label), condition={"label": label}, generator=generator)  # type: ignore[operator]
        correct.append(reference_classifier.predictions(generated.float().cpu()) == label)
    return with_spreads(lambda part: {"labels/agreement": float(part.float().mean())}, torch.cat(correct))


def _kid(features: Tensor, real: Tensor) -> dict[str, float]:
    """The mean KID of fifths: five times as fast as the KID of all images, and unbiased as well.

    Each fifth is compared with different real images, so the spread includes their choice.
    """
    pairs = fifths(features[:_MOST_KERNEL], real[:_MOST_KERNEL])
    parts = [{"judge/kernel": kernel_distance(generated, others)} for generated, others in pairs]
    return {"judge/kernel": sum(part["judge/kernel"] for part in parts) / len(parts), **spreads(parts)}


def _precision_recall(real: Tensor, generated: Tensor) -> dict[str, float]:
    """With equally many real and generated images: the coverage of real images by five times fewer is 0.6, not 0.97."""
    count = min(len(real), len(generated), _MOST_NEIGHBOURS)

    def measured(real: Tensor, generated: Tensor) -> dict[str, float]:
        return {f"judge/{name}": value for name, value in manifold(real, generated)._asdict().items()}

    return with_spreads(measured, real[:count], generated[:count])
