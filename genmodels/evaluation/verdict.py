"""What the metrics of a model say, in at most three statements; their texts are in the interface. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

MOST = 3
_FREQUENT = 0.2
"""A digit with this fraction of the samples is named: twice as frequent as among balanced classes."""
_UNLIKE = 0.1
"""With a precision below this, samples are called no digits: the classes of such images mean nothing."""
_COPIES = 0.05
"""Near-duplicate rates from here on are named; 1 % of test images are as close to a training image."""


class Statement(NamedTuple):
    """The name of a sentence and its numbers: fractions from 0 to 1, counts, or values in the metric's unit."""

    sentence: str
    numbers: dict[str, float]


def of_metrics(metrics: Mapping[str, float], *, digits: bool) -> list[Statement]:
    """The most important statements, at most three; empty if nothing of interest was measured.

    `digits`: the data are single handwritten digits. Metrics are named as in `metric_table`.
    """
    return [*_statements(metrics, digits)][:MOST]


def _statements(metrics: Mapping[str, float], digits: bool) -> Iterator[Statement]:
    if "accuracy" in metrics:
        yield Statement("accuracy_digits" if digits else "accuracy", {"fraction": metrics["accuracy"]})
    yield from _of_digits(metrics)
    if "modes/found" in metrics:
        yield Statement("modes", {"count": metrics["modes/found"]})
    if "labels/agreement" in metrics:
        yield Statement("agreement", {"fraction": metrics["labels/agreement"]})
    if metrics.get("memory/copied_fraction", 0.0) >= _COPIES:
        yield Statement("copies", {"fraction": metrics["memory/copied_fraction"]})
    if {"domains/a_as_b", "domains/b_as_a"} <= metrics.keys():
        yield Statement("translation", {"a": metrics["domains/a_as_b"], "b": metrics["domains/b_as_a"]})
    elif "cycle/error" in metrics:
        yield Statement("cycle", {"value": metrics["cycle/error"]})
    if {"paint/style", "paint/style_before"} <= metrics.keys() and metrics["paint/style"] > 0:
        yield Statement("style", {"times": metrics["paint/style_before"] / metrics["paint/style"]})
    if "pattern/worst_error" in metrics:
        yield Statement("pattern", {"value": metrics["pattern/worst_error"]})
    yield from _of_likelihood(metrics)
    if "codes/used" in metrics:
        yield Statement("codes", {"fraction": metrics["codes/used"]})
    if "classes/above_1_percent" not in metrics and "diversity/samples" in metrics and metrics.get("diversity/data"):
        yield Statement("diversity", {"fraction": metrics["diversity/samples"] / metrics["diversity/data"]})


def _of_digits(metrics: Mapping[str, float]) -> Iterator[Statement]:
    """What a generator of digits generates; nothing without the counts of the reference classifier."""
    names = [f"classes/fraction_{digit}" for digit in range(10)]
    if "classes/above_1_percent" not in metrics or not all(name in metrics for name in names):
        return
    if metrics.get("judge/precision", 1.0) < _UNLIKE:
        yield Statement("no_digits", {"fraction": metrics["judge/precision"]})
        return
    fractions = [metrics[name] for name in names]
    most = max(range(10), key=lambda digit: fractions[digit])
    numbers = {"count": metrics["classes/above_1_percent"]}
    if fractions[most] >= _FREQUENT:
        yield Statement("digits_mostly", {**numbers, "fraction": fractions[most], "digit": most})
    else:
        yield Statement("digits", numbers)


def _of_likelihood(metrics: Mapping[str, float]) -> Iterator[Statement]:
    """The first measure of how well the test data is described that the model has."""
    for name, sentence in (
        ("elbo/negative", "elbo"),
        ("likelihood/bits_per_dim", "bits_per_dim"),
        ("likelihood/bits_per_sample", "bits_per_sample"),
        ("reconstruction/corrupted_above_entropy", "denoising"),
        ("reconstruction/above_entropy", "reconstruction"),
        ("reconstruction/squared_error", "squared_error"),
        ("codes/bits_per_code", "bits_per_code"),
    ):
        if name in metrics:
            yield Statement(sentence, {"value": metrics[name]})
            return
