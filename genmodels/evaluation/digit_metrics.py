"""What the digit judge says of a set of drawn pictures: which digits, and how near to real ones.

Its features are its hidden layer's 128 numbers. A "FID (classifier features)" can be compared only with figures of the
same judge, never with an Inception FID.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from genmodels.data.loader import to_float
from genmodels.data.spec import Arrays
from genmodels.evaluation import reference_classifier
from genmodels.evaluation.distances import frechet, kernel_distance, manifold
from genmodels.evaluation.splits import fifths, spreads, with_spreads
from genmodels.model import Model
from genmodels.seeding import generator_of

FEWEST = 30  # pictures a side, below which no cloud is compared: a fifth needs more than five
_MOST_NEIGHBOURS = 5_000  # pictures a side for precision, recall, density, coverage: 10,000 take four times as long
_MOST_KERNEL = 10_000  # pictures a side for the kernel distance, compared by fifths


def measure(drawn: Tensor, test: Arrays, train: Arrays) -> dict[str, float]:
    """Figures of pictures (N, 1, 28, 28) in [-1, 1]; the names are explained in `evaluate`.

    Both sets in a random order: parts of them are compared, too. Of fewer than 30 drawn, test or training pictures only
    the classes are counted.
    """
    digits = reference_classifier.predictions(drawn)
    found = with_spreads(_shares, digits)
    if min(len(drawn), len(test.images), len(train.images)) < FEWEST:
        return found
    features, real, seen = (reference_classifier.features(part) for part in (drawn, _pictures(test), _pictures(train)))
    found |= with_spreads(lambda part: {"judge/frechet": frechet(part, real)}, features)
    found["judge/frechet_real"] = frechet(seen[: len(real)], real)
    found["judge/kernel_real"] = _kernel(seen, real)["judge/kernel"]
    return found | _kernel(features, real) | _manifold(real, features)


def _shares(digits: Tensor) -> dict[str, float]:
    shares = reference_classifier.class_fractions(digits)
    return {f"classes/fraction_{digit}": float(share) for digit, share in enumerate(shares)} | class_balance(shares)


def fid(drawn: Tensor, test: Arrays) -> float:
    """Frechet distance in the judge's features of drawn pictures to the test pictures."""
    return frechet(reference_classifier.features(drawn), reference_classifier.features(_pictures(test)))


def class_balance(shares: Tensor) -> dict[str, float]:
    """From a histogram (K,): smallest share, classes above 1 %, KL(shares || uniform) in nats (0 to ln K)."""
    positive = shares[shares > 0].double()
    entropy = -float((positive * positive.log()).sum())
    return {
        "classes/min_fraction": float(shares.min()),
        "classes/above_1_percent": float((shares > 0.01).sum()),
        "classes/kl_uniform": math.log(len(shares)) - entropy,
    }


def class_agreement(model: Model, samples: int, seed: int) -> dict[str, float]:
    """`labels/agreement`: share of pictures, asked for evenly by class, that the judge reads as asked; with spread."""
    generator = generator_of(seed, model.device)
    right = []
    for start in range(0, samples, 500):
        label = torch.arange(start, min(start + 500, samples)) % 10
        drawn = model.sample(len(label), condition={"label": label}, generator=generator)  # type: ignore[operator]
        right.append(reference_classifier.predictions(drawn.float().cpu()) == label)
    return with_spreads(lambda part: {"labels/agreement": float(part.float().mean())}, torch.cat(right))


def _pictures(arrays: Arrays) -> Tensor:
    return to_float(torch.from_numpy(arrays.images.copy()))


def _kernel(features: Tensor, real: Tensor) -> dict[str, float]:
    """The mean over fifths: the whole would take five times as long, and the distance is unbiased in parts as well.

    Each fifth is compared with real pictures of its own, so that their choice is in the spread.
    """
    pairs = fifths(features[:_MOST_KERNEL], real[:_MOST_KERNEL])
    parts = [{"judge/kernel": kernel_distance(drawn, others)} for drawn, others in pairs]
    return {"judge/kernel": sum(part["judge/kernel"] for part in parts) / len(parts), **spreads(parts)}


def _manifold(real: Tensor, drawn: Tensor) -> dict[str, float]:
    """Of as many real as drawn: with five times fewer drawn, even real pictures would cover 0.6 instead of 0.97."""
    count = min(len(real), len(drawn), _MOST_NEIGHBOURS)

    def measured(real: Tensor, drawn: Tensor) -> dict[str, float]:
        return {f"judge/{name}": value for name, value in manifold(real, drawn)._asdict().items()}

    return with_spreads(measured, real[:count], drawn[:count])
