"""Activation maximisation: for each digit, the image that a classifier is most certain of."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from genmodels.runs.catalog import CheckpointInfo
from genmodels.service.classify import typical
from genmodels.service.classify.typical import Typical, TypicalRequest
from pages.components import view
from pages.components.i18n import t
from pages.components.theme import explain
from pages.components.tiles import Tile, flow

_STARTS = ("mean", "grey", "noise")
_STRENGTHS = ("light", "medium", "strong")
FIELDS = (
    view.choice_of("start", "classify_start", _STARTS, _STARTS[0]),
    view.choice_of("strength", "classify_strength", _STRENGTHS, "medium"),
)
"""The settings in the page's address."""


def show(info: CheckpointInfo) -> None:
    """Two rows of ten images: maximised without a constraint, and with a smoothness penalty."""
    explain(t("classify.typical.text"))
    left, right = st.columns(2, gap="medium")
    with left:
        start = st.segmented_control(
            t("classify.typical.start"),
            _STARTS,
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
            format_func=lambda name: t(f"classify.typical.{name}"),
            required=True,
            key="classify_strength",
            help=t("classify.typical.strength_help"),
            persist_state="session",
        )
    view.write("classify", FIELDS)
    request = TypicalRequest.parse({"model": info.name, "start": start, "strength": strength})
    with st.spinner(t("classify.typical.busy")):
        images = typical.typical(request)
    for row, key in ((images.free, "free"), (images.smooth, "smooth")):
        st.header(t(f"classify.typical.{key}_title"), anchor=False)
        st.markdown(f"{_counts(row)} {t(f'classify.typical.{key}_text')}")
        _row(row, key)
    st.caption(t("classify.typical.method"))


def _counts(row: Sequence[Typical]) -> str:
    """How many of the ten images get the intended label, from the classifier and from the judge if there is one."""
    own = sum(image.own.label == image.label for image in row)
    mean = sum(image.own.probability for image in row) / len(row)
    text = t("classify.typical.read_by_classifier", count=own, mean=f"{mean:.2f}")
    if not any(image.judged for image in row):
        return text
    judged = sum(image.judged is not None and image.judged.label == image.label for image in row)
    return f"{text} {t('classify.typical.read_by_judge', count=judged)}"


def _row(row: Sequence[Typical], key: str) -> None:
    tiles = []
    for image in row:
        own = f"{image.own.label} ({image.own.probability:.2f})"
        judged = f"{image.judged.label} ({image.judged.probability:.2f})" if image.judged else ""
        caption = t("classify.typical.caption", own=own)
        alt = t("classify.typical.alt", label=image.label, own=own)
        if judged:
            caption += "\n" + t("classify.typical.caption_judge", judged=judged)
            alt += " " + t("classify.typical.alt_judge", judged=judged)
        tiles.append(Tile(image.png, caption, alt, t("classify.typical.requested", label=image.label)))
    flow(tiles, label=t(f"classify.typical.{key}_title"), width=104, key=f"classify_{key}")
