"""A model's figures as tables: value, spread, what was expected, and what it means."""

from __future__ import annotations

import math

import streamlit as st

from genmodels.catalog import CheckpointInfo
from genmodels.evaluation import metric_table
from genmodels.service import evaluate
from genmodels.service.evaluate import Measured
from pages.components import judge_note
from pages.components.figure_table import Row, figure_table
from pages.components.i18n import t
from pages.components.numbers import of_ten, percent, unbroken

_JUDGES = ("domains/judge", "domains/judge_a", "domains/judge_b")
_LIKELIHOOD = ("likelihood/bits_per_dim", "likelihood/nats")
GROUPS: dict[str, tuple[str, ...]] = {
    "reading": ("accuracy",),
    "translation": ("cycle/error", "cycle/a", "cycle/b", "domains/a_as_b", "domains/b_as_a", *_JUDGES),
    "elbo": ("elbo/negative", "elbo/recon", "elbo/recon_above_entropy", "elbo/kl", *_LIKELIHOOD),
    "paint": ("paint/style", "paint/style_before", "paint/content"),
    "sound": ("likelihood/bits_per_sample",),
    "reconstruction": (
        "reconstruction/above_entropy",
        "reconstruction/nats",
        "reconstruction/corrupted_above_entropy",
        "reconstruction/corrupted_nats",
    ),
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
_SHARES = ("accuracy", "labels/agreement", "labels/agreement_real", "memory/copied_fraction", "classes/min_fraction")
_CHARTED = "classes/fraction_"


def show(info: CheckpointInfo, found: Measured) -> None:
    """The table, and what has to be known to read it."""
    st.header(t("evaluate.figures"), anchor=False)
    head = Row(*(t(f"evaluate.head.{name}") for name in ("name", "value", "expected", "text")))
    label = t("evaluate.figures_label", name=info.name, step=f"{found.step:,}")
    figure_table(head, rows(info, found), label=label, key="evaluate_figures")
    if differing := evaluate.differences(info, found.step):
        st.caption(t("evaluate.promised", differences=", ".join(differing)))
    if found.added:
        st.caption(t("evaluate.added", samples=f"{evaluate.SAMPLES:,}"))
    if "judge/frechet" in found.figures:
        st.caption(t("evaluate.judge_note"))
    judge_note.untrained(
        found.step, [name for name in found.figures if name.startswith(("judge/", "classes/", "labels/"))]
    )
    if any(f"{name}_spread" in found.figures for name in found.figures):
        st.caption(metric_table.SPREAD_NOTE)


def rows(info: CheckpointInfo, found: Measured) -> list[Row]:
    """A heading a group, then its figures; those that have no text of their own stand at the end by their names."""
    told = {name for names in GROUPS.values() for name in names}
    spread = {f"{name}_spread" for name in told}
    other = [name for name in found.figures if name not in told | spread and not name.startswith(_CHARTED)]
    expected = evaluate.expected(info, found.step)
    made = []
    for group, names in {**GROUPS, "other": tuple(sorted(other))}.items():
        own = [name for name in names if name in found.figures]
        if own:
            made.append(Row(t(f"evaluate.group.{group}")))
            made += [_row(name, found, expected.get(name, "")) for name in own]
    return made


def value_text(name: str, value: float) -> str:
    """With as many digits as are worth reading."""
    if _is_share(name):
        return unbroken(percent(value))
    if name == "classes/above_1_percent":
        return of_ten(value)
    return f"{value:.1f}" if abs(value) >= 100 else f"{value:.3g}"


def _is_share(name: str) -> bool:
    return name in _SHARES or name.startswith("domains/")


def spread_text(value: float, spread: float) -> str:
    """A value and its error with the same decimals, two digits of the error: neither is known better."""
    places = 3 if spread <= 0 else min(4, max(0, 1 - math.floor(math.log10(spread))))
    return f"{value:,.{places}f}\u00a0±\u00a0{spread:,.{places}f}"


def _row(name: str, found: Measured, expected: str) -> Row:
    value = value_text(name, found.figures[name])
    spread = found.figures.get(f"{name}_spread")
    if spread is not None and _is_share(name):
        value = f"{spread_text(100 * found.figures[name], 100 * spread)}\u00a0%"
    elif spread is not None and name != "classes/above_1_percent":
        value = spread_text(found.figures[name], spread)
    if name in found.added:
        value += "\u00a0°"
    return Row(metric_table.name_of(name), value, expected, metric_table.meaning_of(name))
