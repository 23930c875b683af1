"""Backquery: the picture that a classifier finds most typical of each digit."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from genmodels.catalog import CheckpointInfo
from genmodels.service.classify import typical as classify_typical
from genmodels.service.classify.typical import Backquery, Typical
from pages.components.i18n import t
from pages.components.tiles import Tile, flow

_STARTS = ("mean", "grey", "noise")
_STRENGTHS = ("light", "medium", "strong")


def show(info: CheckpointInfo) -> None:
    """Two rows of ten: led by nothing but certainty, and kept smooth."""
    st.markdown(t("classify.typical.text"))
    left, right = st.columns(2, gap="medium")
    with left:
        start = st.segmented_control(
            t("classify.typical.start"),
            _STARTS,
            default=_STARTS[0],
            format_func=lambda name: t(f"classify.typical.{name}"),
            required=True,
            key="classify_start",
            help=t("classify.typical.start_help"),
            persist_state="session",
        )
    with right:
        strength = st.segmented_control(
            t("classify.typical.strength"),
            _STRENGTHS,
            default="medium",
            format_func=lambda name: t(f"classify.typical.{name}"),
            required=True,
            key="classify_strength",
            help=t("classify.typical.strength_help"),
            persist_state="session",
        )
    asked = Backquery.parse({"model": info.name, "start": start, "strength": strength})
    with st.spinner(t("classify.typical.busy")):
        found = classify_typical.typical(asked)
    for row, key in ((found.free, "free"), (found.smooth, "smooth")):
        st.subheader(t(f"classify.typical.{key}_title"), anchor=False)
        st.markdown(f"{_counts(row)} {t(f'classify.typical.{key}_text')}")
        _row(row, key)
    st.caption(t("classify.typical.how"))


def _counts(row: Sequence[Typical]) -> str:
    """How many of the ten are read as asked, by the classifier and, where there is one, by the judge."""
    own = sum(typical.own.label == typical.label for typical in row)
    mean = sum(typical.own.probability for typical in row) / len(row)
    text = t("classify.typical.own", count=own, mean=f"{mean:.2f}")
    if not any(typical.judged for typical in row):
        return text
    judged = sum(typical.judged is not None and typical.judged.label == typical.label for typical in row)
    return f"{text} {t('classify.typical.judged', count=judged)}"


def _row(row: Sequence[Typical], key: str) -> None:
    shown = []
    for typical in row:
        own = f"{typical.own.label} ({typical.own.probability:.2f})"
        judged = f"{typical.judged.label} ({typical.judged.probability:.2f})" if typical.judged else ""
        caption = t("classify.typical.caption", own=own)
        alt = t("classify.typical.alt", label=typical.label, own=own)
        if judged:
            caption += "\n" + t("classify.typical.caption_judge", judged=judged)
            alt += " " + t("classify.typical.alt_judge", judged=judged)
        shown.append(Tile(typical.png, caption, alt, t("classify.typical.asked", label=typical.label)))
    flow(shown, label=t(f"classify.typical.{key}_title"), width=104, key=f"classify_{key}")
