"""The mistakes of a classifier: its confusion matrix on the test digits, and its most confident mistakes."""

from __future__ import annotations

import plotly.graph_objects as go
import streamlit as st

from genmodels.runs.catalog import CheckpointInfo
from genmodels.service import classify
from genmodels.service.classify import Confusion
from pages.components import missing_data
from pages.components.i18n import t
from pages.components.numbers import percent
from pages.components.theme import explain, is_dark
from pages.components.tiles import Tile, flow

# Contrast with the strongest cell: 6 to 1 in the light theme, 5 to 1 in the dark one.
_INK = {"light": "#16202a", "dark": "#ffffff"}
_DIGITS = [str(digit) for digit in range(classify.CLASSES)]


def show(info: CheckpointInfo) -> None:
    """Show the matrix on the left, its summary on the right, the mistakes below."""
    explain(t("classify.mistakes.text"))
    with st.spinner(t("classify.mistakes.busy")):
        confusion = classify.confusion(info.name)
    new = classify.is_unseen(info.name)
    if not new:
        st.warning(t("classify.mistakes.trained_on"), icon=":material/history_edu:")
        missing_data.offer_download("mnist", "classify")
    left, right = st.columns([6, 4], gap="medium")
    with left:
        st.plotly_chart(
            figure(confusion, "dark" if is_dark() else "light"),
            key="classify_confusion",
            config={"displayModeBar": False},
        )
        wrong = f"{confusion.total - confusion.right:,}"
        st.caption(t("classify.mistakes.chart_alt", total=f"{confusion.total:,}", wrong=wrong))
    with right:
        values = {
            "percent": percent(confusion.accuracy),
            "total": f"{confusion.total:,}",
            "wrong": wrong,
        }
        st.markdown(
            t(f"classify.mistakes.{'accuracy' if new else 'accuracy_trained_on'}", **values, data=confusion.data)
        )
        if not new and "accuracy" in info.metrics:
            card = info.metrics["accuracy"]
            st.markdown(t("classify.mistakes.card", percent=percent(card)))
            st.markdown(
                t(
                    f"classify.mistakes.card_{_against(card, confusion)}",
                    card=percent(card),
                    here=percent(confusion.accuracy),
                )
            )
        st.markdown(_pairs(confusion))
    st.header(t("classify.mistakes.worst_title"), anchor=False)
    if not confusion.worst:
        st.markdown(t("classify.mistakes.none"))
        return
    explain(t("classify.mistakes.worst_text"))
    tiles = []
    for mistake in confusion.worst:
        values = {
            "label": mistake.label,
            "read": mistake.predicted.label,
            "value": f"{mistake.predicted.probability:.3f}",
        }
        number = f"{mistake.index:,}"
        caption = t("classify.mistakes.caption", **values, index=number)
        tiles.append(Tile(mistake.png, caption, t("classify.mistakes.alt", **values, index=number)))
    flow(tiles, label=t("classify.mistakes.worst_title"), width=120, key="classify_worst")


def _against(card: float, confusion: Confusion) -> str:
    """Whether the accuracy on the card differs from this one by more than twice the standard error."""
    error = (
        card * (1 - card) / 10_000 + confusion.accuracy * (1 - confusion.accuracy) / max(1, confusion.total)
    ) ** 0.5
    difference = card - confusion.accuracy
    return "alike" if abs(difference) <= 2 * error else "better" if difference > 0 else "worse"


def _pairs(confusion: Confusion) -> str:
    """The three most frequent confusions, as a list."""
    wrong = [
        (count, true, read)
        for true, row in enumerate(confusion.counts)
        for read, count in enumerate(row)
        if true != read and count
    ]
    if not wrong:
        return ""
    lines = [
        t("classify.mistakes.pair", true=true, read=read, count=count, of=sum(confusion.counts[true]))
        for count, true, read in sorted(wrong, reverse=True)[:3]
    ]
    return t("classify.mistakes.pairs") + "\n" + "\n".join(f"- {line}" for line in lines)


def figure(confusion: Confusion, theme: str) -> go.Figure:
    """The matrix in Plotly, with text colours for the `theme` light or dark."""
    # The diagonal has nearly all digits; coloured on the same scale, mistakes would be invisible.
    wrong = [
        [None if true == read else count / max(1, sum(row)) for read, count in enumerate(row)]
        for true, row in enumerate(confusion.counts)
    ]
    matrix = go.Figure(
        go.Heatmap(
            z=wrong,
            x=_DIGITS,
            y=_DIGITS,
            customdata=[list(row) for row in confusion.counts],
            # Pale enough for text in the colour of either theme.
            colorscale=[[0, "rgba(194,87,26,0)"], [1, "rgba(214,98,34,0.7)"]],
            showscale=False,
            xgap=2,
            ygap=2,
            hoverongaps=False,
            hovertemplate=t("classify.mistakes.hover"),
        )
    )
    # Plotly chooses the colour of a heatmap's texts as if its cells were opaque: dark on dark in the dark theme.
    for true, row in enumerate(confusion.counts):
        for read, count in enumerate(row):
            if count:
                text = f"<b>{count}</b>" if read == true else str(count)
                matrix.add_annotation(
                    x=str(read), y=str(true), text=text, showarrow=False, font={"size": 12, "color": _INK[theme]}
                )
    matrix.update_layout(
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
    return matrix
