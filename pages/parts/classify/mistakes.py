"""Where a classifier goes wrong: its confusion matrix over the test digits, and its surest mistakes."""

from __future__ import annotations

import plotly.graph_objects as go
import streamlit as st

from genmodels.catalog import CheckpointInfo
from genmodels.service import classify
from genmodels.service.classify import Confusion
from pages.components import train_choice
from pages.components.i18n import t
from pages.components.manifold_plot import is_dark
from pages.components.numbers import percent
from pages.components.tiles import Tile, flow

# Contrast with the strongest cell: 6 to 1 in the light, 5 to 1 in the dark.
_INK = {"light": "#16202a", "dark": "#ffffff"}
_DIGITS = [str(digit) for digit in range(classify.CLASSES)]


def show(info: CheckpointInfo) -> None:
    """The matrix at the left, what it says at the right, the mistakes below."""
    st.markdown(t("classify.mistakes.text"))
    with st.spinner(t("classify.mistakes.busy")):
        found = classify.confusion(info.name)
    new = classify.are_new(info.name)
    if not new:
        st.warning(t("classify.mistakes.seen"), icon=":material/history_edu:")
        train_choice.offer("mnist", "classify")
    left, right = st.columns([6, 4], gap="medium")
    with left:
        st.plotly_chart(
            figure(found, "dark" if is_dark() else "light"), key="classify_confusion", config={"displayModeBar": False}
        )
        counts = t("classify.mistakes.chart_alt", total=f"{found.total:,}", wrong=f"{found.total - found.right:,}")
        st.caption(counts)
    with right:
        values = {
            "percent": percent(found.accuracy),
            "total": f"{found.total:,}",
            "wrong": f"{found.total - found.right:,}",
        }
        st.markdown(t(f"classify.mistakes.{'accuracy' if new else 'accuracy_seen'}", **values, data=found.data))
        if not new and "accuracy" in info.metrics:
            card = info.metrics["accuracy"]
            st.markdown(t("classify.mistakes.card", percent=percent(card)))
            st.markdown(
                t(f"classify.mistakes.card_{_against(card, found)}", card=percent(card), here=percent(found.accuracy))
            )
        st.markdown(_pairs(found))
    st.subheader(t("classify.mistakes.worst_title"), anchor=False)
    if not found.worst:
        st.markdown(t("classify.mistakes.none"))
        return
    st.markdown(t("classify.mistakes.worst_text"))
    shown = []
    for mistake in found.worst:
        values = {"label": mistake.label, "read": mistake.read.label, "value": f"{mistake.read.probability:.3f}"}
        number = f"{mistake.index:,}"
        caption = t("classify.mistakes.caption", **values, index=number)
        shown.append(Tile(mistake.png, caption, t("classify.mistakes.alt", **values, index=number)))
    flow(shown, label=t("classify.mistakes.worst_title"), width=120, key="classify_worst")


def _against(card: float, found: Confusion) -> str:
    """How the accuracy on new digits compares with that on these, beyond twice what chance explains."""
    chance = (card * (1 - card) / 10_000 + found.accuracy * (1 - found.accuracy) / max(1, found.total)) ** 0.5
    difference = card - found.accuracy
    return "alike" if abs(difference) <= 2 * chance else "better" if difference > 0 else "worse"


def _pairs(found: Confusion) -> str:
    """The three commonest mix-ups, as a list."""
    wrong = [
        (count, true, read)
        for true, row in enumerate(found.counts)
        for read, count in enumerate(row)
        if true != read and count
    ]
    if not wrong:
        return ""
    lines = [
        t("classify.mistakes.pair", true=true, read=read, count=count, of=sum(found.counts[true]))
        for count, true, read in sorted(wrong, reverse=True)[:3]
    ]
    return t("classify.mistakes.pairs") + "\n" + "\n".join(f"- {line}" for line in lines)


def figure(found: Confusion, theme: str) -> go.Figure:
    """The matrix in Plotly, its writing for the `theme` light or dark."""
    # The diagonal holds nearly everything: coloured with the rest, every mistake would look like none.
    wrong = [
        [None if true == read else count / max(1, sum(row)) for read, count in enumerate(row)]
        for true, row in enumerate(found.counts)
    ]
    drawn = go.Figure(
        go.Heatmap(
            z=wrong,
            x=_DIGITS,
            y=_DIGITS,
            customdata=[list(row) for row in found.counts],
            # No more than this, and writing in the theme's own colour stays readable on it, dark or light.
            colorscale=[[0, "rgba(194,87,26,0)"], [1, "rgba(214,98,34,0.7)"]],
            showscale=False,
            xgap=2,
            ygap=2,
            hoverongaps=False,
            hovertemplate=t("classify.mistakes.hover"),
        )
    )
    # Plotly picks the colour of a heatmap's own texts as if its cells were opaque: in the dark they were dark on dark.
    for true, row in enumerate(found.counts):
        for read, count in enumerate(row):
            if count:
                text = f"<b>{count}</b>" if read == true else str(count)
                drawn.add_annotation(
                    x=str(read), y=str(true), text=text, showarrow=False, font={"size": 12, "color": _INK[theme]}
                )
    drawn.update_layout(
        height=440,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        xaxis={"title": t("classify.mistakes.x"), "type": "category", "fixedrange": True, "showgrid": False},
        yaxis={
            "title": t("classify.mistakes.y"),
            "type": "category",
            "fixedrange": True,
            "autorange": "reversed",
            "showgrid": False,
        },
    )
    return drawn
