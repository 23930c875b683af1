"""What the digit judge says of a set of drawn pictures: which digits, how near to real ones, how new.

Its features are its hidden layer's 128 numbers. A "FID (our judge's features)" can be compared only with figures of the
same judge, never with an Inception FID.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from genmodels.data.loader import to_float
from genmodels.data.spec import Arrays
from genmodels.evaluation import judge
from genmodels.evaluation.distances import frechet, kernel_distance, manifold, nearest
from genmodels.model import Model

SPLITS = 5
_MOST_NEIGHBOURS = 5_000  # pictures a side for precision, recall, density, coverage: 10,000 take four times as long
_MOST_KERNEL = 2_000  # pictures a side for the kernel distance
_MOST_MEMORY = 1_000
_ROUNDING = 1e-2  # what a distance of a picture to itself comes to, computed by products


def figures(drawn: Tensor, test: Arrays, train: Arrays) -> dict[str, float]:
    """Figures of pictures (N, 1, 28, 28) in [-1, 1], N >= 100; the names are explained in `evaluate`."""
    shares = judge.class_histogram(drawn)
    found = {f"classes/share_{digit}": float(share) for digit, share in enumerate(shares)}
    found |= class_figures(shares)
    pictures_test, pictures_train = _pictures(test), _pictures(train)
    features, real, seen = (judge.features(part) for part in (drawn, pictures_test, pictures_train))
    found |= _with_spread("judge/frechet", features, lambda part: frechet(part, real))
    found["judge/frechet_real"] = frechet(seen[: len(real)], real)
    few = real[:_MOST_KERNEL]
    found |= _with_spread(
        "judge/kernel", features[: SPLITS * _MOST_KERNEL], lambda part: kernel_distance(part, few), whole=False
    )
    found |= _manifold_figures(real[:_MOST_NEIGHBOURS], features[:_MOST_NEIGHBOURS])
    return found | memory(drawn, pictures_test, pictures_train)


def frechet_to(drawn: Tensor, test: Arrays) -> float:
    """Frechet distance in the judge's features of drawn pictures to the test pictures."""
    return frechet(judge.features(drawn), judge.features(_pictures(test)))


def class_figures(shares: Tensor) -> dict[str, float]:
    """From a histogram (K,): smallest share, classes above 1 %, KL(shares || uniform) in nats (0 to ln K)."""
    positive = shares[shares > 0].double()
    entropy = -float((positive * positive.log()).sum())
    return {
        "classes/min_share": float(shares.min()),
        "classes/above_1_percent": float((shares > 0.01).sum()),
        "classes/kl_uniform": math.log(len(shares)) - entropy,
    }


def agreement(model: Model, samples: int = 10_000, seed: int = 0) -> float:
    """Share of pictures, asked for evenly by class, that the judge reads as asked."""
    generator = torch.Generator(model.device).manual_seed(seed)
    right = 0
    for start in range(0, samples, 500):
        label = torch.arange(start, min(start + 500, samples)) % 10
        drawn = model.sample(len(label), condition={"label": label}, generator=generator)  # type: ignore[operator]
        right += int((judge.probabilities(drawn.float().cpu()).argmax(1) == label).sum())
    return right / samples


def _pictures(arrays: Arrays) -> Tensor:
    return to_float(torch.from_numpy(arrays.images.copy()))


def _with_spread(
    name: str, features: Tensor, measure: Callable[[Tensor], float], *, whole: bool = True
) -> dict[str, float]:
    """A figure of all pictures, or the mean over five splits where `whole` is too much, and the splits' deviation."""
    parts = torch.tensor([measure(part) for part in torch.chunk(features, SPLITS)], dtype=torch.float64)
    value = measure(features) if whole else float(parts.mean())
    return {name: value, f"{name}_spread": float(parts.std())}


def _manifold_figures(real: Tensor, drawn: Tensor) -> dict[str, float]:
    whole = manifold(real, drawn)._asdict()
    pairs = zip(torch.chunk(real, SPLITS), torch.chunk(drawn, SPLITS), strict=True)
    parts = [manifold(some_real, some_drawn)._asdict() for some_real, some_drawn in pairs]
    found = {f"judge/{name}": value for name, value in whole.items()}
    for name in whole:
        found[f"judge/{name}_spread"] = float(torch.tensor([part[name] for part in parts]).std())
    return found


def memory(drawn: Tensor, test: Tensor, train: Tensor) -> dict[str, float]:
    """Median distance to the nearest training picture, drawn against test; empty where test pictures are in it."""
    of_drawn, _ = nearest(drawn[:_MOST_MEMORY], train)
    of_test, _ = nearest(test[:_MOST_MEMORY], train)
    usual = float(of_test.median())
    return {"memory/nearest_ratio": float(of_drawn.median()) / usual} if usual > _ROUNDING else {}
