"""The verdict on a model's metrics, as statements and as sentences."""

from __future__ import annotations

import json

import pytest

from genmodels.evaluation import verdict
from genmodels.evaluation.metric_table import TABLE
from pages.components.i18n import texts
from pages.components.verdict import of_hundred, text
from tests.support.browser import ROOT


def digits(*fractions: float, precision: float = 0.9) -> dict[str, float]:
    every = {f"classes/fraction_{digit}": fraction for digit, fraction in enumerate(fractions)}
    count = float(sum(fraction > 0.01 for fraction in fractions))
    return {**every, "classes/above_1_percent": count, "judge/precision": precision}


def said(metrics: dict[str, float], *, of_digits: bool = True) -> list[str]:
    return [text(statement) for statement in verdict.of_metrics(metrics, digits=of_digits)]


def test_the_most_frequent_digit_is_named_if_it_is_much_more_frequent():
    uneven = digits(0.1, 0.08, 0.1, 0.42, 0.1, 0.1, 0.05, 0.04, 0.01, 0.0)
    assert said(uneven) == ["Generates 8 of 10 digits; 42 % are threes."]
    assert said(digits(*[0.1] * 10))[0].startswith("Generates 10 of 10 digits, none")


def test_noise_is_not_called_a_digit():
    noise = digits(*[0.0] * 8, 1.0, 0.0, precision=0.004)
    (sentence,) = said(noise)
    assert sentence.startswith("Generates no digits yet: 1 of 100")
    assert "eights" not in sentence


@pytest.mark.parametrize(
    ("fraction", "words"), [(0.974, "97"), (0.9999, "99"), (1.0, "100"), (0.0, "0"), (0.0001, "1")]
)
def test_only_all_is_all_of_a_hundred(fraction, words):
    assert of_hundred(fraction) == words
    assert said({"accuracy": fraction}) == [f"Reads {words} of 100 test digits correctly."]


def test_nothing_is_said_where_nothing_was_measured():
    assert said({}) == []
    assert said({"classes/above_1_percent": 10.0}) == [], "without the fractions"
    assert said({"judge/frechet": 100.0, "score/real": 0.5}) == []


def test_at_most_three_statements_in_the_order_of_importance():
    metrics = digits(*[0.1] * 10) | {"labels/agreement": 0.97, "memory/copied_fraction": 0.3, "elbo/negative": 100.0}
    assert [one.sentence for one in verdict.of_metrics(metrics, digits=True)] == ["digits", "agreement", "copies"]


def test_every_published_model_has_a_verdict():
    for path in sorted((ROOT / "checkpoints").glob("*/metrics.json")):
        metrics = json.loads(path.read_text())["metrics"]
        if metrics:
            assert said(metrics), path.parent.name
        assert all("{" not in sentence for sentence in said(metrics))


def test_every_sentence_has_a_text_and_every_text_a_sentence():
    values = dict.fromkeys(TABLE, 0.5) | digits(*[0.1] * 10)
    every = {one.sentence for one in verdict._statements(values, True)}
    for dropped in ("domains/a_as_b", "elbo/negative", "likelihood/bits_per_dim", "likelihood/bits_per_sample"):
        values.pop(dropped)
        every |= {one.sentence for one in verdict._statements(values, False)}
    for dropped in ("reconstruction/corrupted_above_entropy", "reconstruction/above_entropy"):
        values.pop(dropped)
        every |= {one.sentence for one in verdict._statements(values, False)}
    values.pop("reconstruction/squared_error")
    every |= {one.sentence for one in verdict._statements(values | digits(0.9, *[0.0] * 9), False)}
    values["judge/precision"] = 0.0
    every |= {one.sentence for one in verdict._statements(values, False)}
    values.pop("classes/above_1_percent")
    every |= {one.sentence for one in verdict._statements(values, False)}
    keys = {key.removeprefix("verdict.") for key in texts() if key.startswith("verdict.") and ".digit." not in key}
    assert keys == every
