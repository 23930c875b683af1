"""The metrics of a model as a table: value, standard deviation, expected range and meaning."""

from __future__ import annotations

import math

import streamlit as st

from genmodels.evaluation import metric_table, range_text
from genmodels.runs.catalog import CheckpointInfo
from genmodels.service import evaluate
from genmodels.service.evaluate import Measured
from pages.components import judge_note
from pages.components.i18n import t
from pages.components.numbers import of_ten, percent, unbroken
from pages.parts.evaluate.metrics_table import Row, metrics_table

_JUDGES = ("domains/judge", "domains/judge_a", "domains/judge_b")
_LIKELIHOOD = ("likelihood/bits_per_dim", "likelihood/nats")
GROUPS: dict[str, tuple[str, ...]] = {
    "classification": ("accuracy",),
    "translation": ("cycle/error", "cycle/a", "cycle/b", "domains/a_as_b", "domains/b_as_a", *_JUDGES),
    "elbo": ("elbo/negative", "elbo/recon", "elbo/recon_above_entropy", "elbo/kl", *_LIKELIHOOD),
    "style": ("paint/style", "paint/style_before", "paint/content"),
    "sound": ("likelihood/bits_per_sample",),
    "reconstruction": (
        "reconstruction/above_entropy",
        "reconstruction/nats",
        "reconstruction/corrupted_above_entropy",
        "reconstruction/corrupted_nats",
        "reconstruction/squared_error",
    ),
    "codes": ("codes/used", "codes/perplexity", "codes/bits_per_code", "codes/nats"),
    "judge": (
        "judge/frechet",
        "judge/frechet_real",
        "judge/kernel",
        "judge/kernel_real",
        "judge/precision",
        "judge/recall",
        "judge/density",
        "judge/coverage",
    ),
    "classes": (
        "labels/agreement",
        "labels/agreement_real",
        "classes/above_1_percent",
        "classes/kl_uniform",
        "classes/min_fraction",
    ),
    "memory": ("memory/nearest_ratio", "memory/copied_fraction", "diversity/samples", "diversity/data"),
    "pattern": ("pattern/worst_error",),
    "discriminator": ("discriminator/loss", "score/real", "score/fake"),
}
_FRACTIONS = (
    "accuracy",
    "labels/agreement",
    "labels/agreement_real",
    "memory/copied_fraction",
    "classes/min_fraction",
    "codes/used",
)
_CHARTED = "classes/fraction_"


def show(info: CheckpointInfo, measured: Measured) -> None:
    """Show the table, and notes on how to read it."""
    st.header(t("evaluate.metrics"), anchor=False)
    head = Row(*(t(f"evaluate.head.{name}") for name in ("name", "value", "expected", "text")))
    label = t("evaluate.metrics_label", name=info.name, step=f"{measured.step:,}")
    metrics_table(head, rows(info, measured), label=label, key="evaluate_figures")
    if differing := evaluate.differences(info, measured.step):
        st.caption(t("evaluate.expected_of_recipe", differences=", ".join(differing)))
    if measured.added:
        st.caption(t("evaluate.added", samples=f"{evaluate.SAMPLES:,}"))
    if "judge/frechet" in measured.metrics:
        st.caption(t("evaluate.judge_note"))
    judge_note.untrained(
        measured.step, [name for name in measured.metrics if name.startswith(("judge/", "classes/", "labels/"))]
    )
    if any(f"{name}_spread" in measured.metrics for name in measured.metrics):
        st.caption(metric_table.SPREAD_NOTE)


def rows(info: CheckpointInfo, measured: Measured) -> list[Row]:
    """For each group a heading, then its metrics; metrics without a text come last, under their own names."""
    grouped = {name for names in GROUPS.values() for name in names}
    spread = {f"{name}_spread" for name in grouped}
    other = [name for name in measured.metrics if name not in grouped | spread and not name.startswith(_CHARTED)]
    expected = evaluate.expected(info, measured.step)
    table = []
    for group, names in {**GROUPS, "other": tuple(sorted(other))}.items():
        own = [name for name in names if name in measured.metrics]
        if own:
            table.append(Row(t(f"evaluate.group.{group}")))
            table += [_row(name, measured, _range(name, expected.get(name))) for name in own]
    return table


def value_text(name: str, value: float) -> str:
    """The value as text, with its significant digits."""
    if _is_fraction(name):
        return unbroken(percent(value))
    if name == "classes/above_1_percent":
        return of_ten(value)
    return f"{value:.1f}" if abs(value) >= 100 else f"{value:.3g}"


def _range(name: str, bounds: tuple[float | None, float | None] | None) -> str:
    """The expected range in the unit of the value: `at least 99 %`, not 0.99, of a fraction; empty if there is none."""
    if bounds is None:
        return ""
    return range_text(*bounds, lambda limit: f"{100 * limit:g}\u00a0%" if _is_fraction(name) else f"{limit:g}")


def _is_fraction(name: str) -> bool:
    return name in _FRACTIONS or name.startswith("domains/")


def spread_text(value: float, spread: float) -> str:
    """A value and its standard deviation with the same decimals: two significant digits of the deviation."""
    places = 3 if spread <= 0 else min(4, max(0, 1 - math.floor(math.log10(spread))))
    return f"{value:,.{places}f}\u00a0±\u00a0{spread:,.{places}f}"


def _row(name: str, measured: Measured, expected: str) -> Row:
    value = value_text(name, measured.metrics[name])
    spread = measured.metrics.get(f"{name}_spread")
    if spread is not None and _is_fraction(name):
        value = f"{spread_text(100 * measured.metrics[name], 100 * spread)}\u00a0%"
    elif spread is not None and name != "classes/above_1_percent":
        value = spread_text(measured.metrics[name], spread)
    if name in measured.added:
        value += "\u00a0°"
    return Row(metric_table.name_of(name), value, expected, metric_table.meaning_of(name))
