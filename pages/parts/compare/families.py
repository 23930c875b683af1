"""All published digit models in one table, and a button that measures their time per sample."""

from __future__ import annotations

from urllib.parse import quote

import streamlit as st

from genmodels import registry
from genmodels.evaluation.metric_table import meaning_of
from genmodels.service import compare, families
from genmodels.service.families import COLUMNS, TIMED, FamilyRow
from pages.components.i18n import has, t
from pages.components.theme import explain, friendly_errors, plain
from pages.parts.compare.families_table import Cell, Heading, families_table
from pages.parts.compare.value_text import value_text

_HEADS = ("model", *COLUMNS, "sample", "limits")
_KEYS = {metric.name: metric.key for metric in compare.METRICS}


def show() -> None:
    """Show the table, its button and how to read it."""
    st.header(t("compare.families.title"), anchor=False)
    rows = families.rows()
    if not rows:
        st.info(t("compare.families.empty"), icon=":material/category:")
        return
    explain(t("compare.families.text"))
    table = st.container()
    if st.button(
        t("compare.families.measure"),
        key="compare_measure_times",
        icon=":material/timer:",
        help=t("compare.families.measure_help", count=TIMED),
        disabled=all(row.sample_seconds is not None for row in rows),
    ):
        _measure(rows)
        rows = families.rows()
    with table:
        families_table(
            [_cells(row) for row in rows],
            heads=[_heading(name) for name in _HEADS],
            label=t("compare.families.label"),
            key="compare_families",
        )
    st.caption(t("compare.families.caption"))


def _measure(rows: tuple[FamilyRow, ...]) -> None:
    bar = st.progress(0.0)
    for done, row in enumerate(rows):
        text = t("compare.families.measuring", name=plain(row.info.name), done=done + 1, total=len(rows))
        bar.progress(done / len(rows), text=text)
        with friendly_errors():
            families.measure_time(row.info.name)
    bar.empty()


def _heading(name: str) -> Heading:
    title = t(f"compare.families.head.{name}")
    key = f"compare.families.meaning.{name}"
    meaning = t(key, count=TIMED) if has(key) else meaning_of(_KEYS[name])
    return Heading(title, meaning, t("compare.families.sort", name=title))


def _cells(row: FamilyRow) -> list[Cell]:
    info = row.info
    limits = f"compare.families.limits.{info.model}"
    return [
        Cell(
            info.name,
            info.name,
            small=registry.get(info.model).title,
            link=f"evaluate?model={quote(info.name)}",
        ),
        *(_value(name, row) for name in COLUMNS),
        _time(row.sample_seconds),
        Cell(t(limits if has(limits) else "compare.families.limits.other"), info.model),
    ]


def _value(name: str, row: FamilyRow) -> Cell:
    value = row.values[name]
    if value.value is None:
        reason = "not_measured" if value.applies else "not_applicable"
        return Cell(t(f"compare.families.missing.{reason}"), reason=t(f"compare.families.missing.why_{reason}"))
    if name == "elbo":
        return Cell(t("compare.families.nats", value=value.value), value.value)
    return Cell(value_text(name, value.value), value.value)


def _time(seconds: float | None) -> Cell:
    if seconds is None:
        missing = "compare.families.missing"
        return Cell(t(f"{missing}.not_measured"), reason=t(f"{missing}.why_not_timed"))
    return Cell(t("compare.families.milliseconds", value=1000 * seconds), seconds)
