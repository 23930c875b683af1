"""The two charts of the Seeds page: the norm of z along the interpolations, and its distribution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go
import streamlit as st

from genmodels.latent.norms import NormDistribution
from pages.components.i18n import t

_BAND, _GREY = "rgba(120, 140, 150, 0.22)", "#8a9499"
_CONFIG = {"displayModeBar": False}


def lengths(paths: Mapping[str, Sequence[float]], norms: NormDistribution, *, key: str) -> None:
    """Show |z| at each step of each interpolation, and the range of 95 % of Gaussian vectors."""
    figure = go.Figure()
    for (name, values), (dash, symbol) in zip(paths.items(), (("dot", "circle"), ("solid", "square")), strict=True):
        figure.add_scatter(
            x=list(range(1, len(values) + 1)),
            y=list(values),
            name=name,
            mode="lines+markers",
            line={"dash": dash},
            marker={"symbol": symbol},
            hovertemplate=t("seeds.norms_hover"),
        )
    figure.add_hrect(
        norms.low,
        norms.high,
        fillcolor=_BAND,
        line_width=0,
        layer="below",
        annotation={"text": t("seeds.band"), "font": {"size": 11}, "x": 0.01, "xanchor": "left", "yanchor": "bottom"},
        annotation_position="top left",
    )
    every_norm = [norms.high, *(length for values in paths.values() for length in values)]
    figure.update_layout(
        height=240,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        legend={"orientation": "h", "y": -0.3, "x": 0},
        xaxis={"title": t("seeds.norms_x"), "dtick": 1, "fixedrange": True, "range": [0.6, 12.4]},
        yaxis={"title": "|z|", "rangemode": "tozero", "range": [0, max(every_norm) * 1.2], "fixedrange": True},
    )
    st.plotly_chart(figure, key=key, config=_CONFIG)


def gauge(
    norms: NormDistribution, value: float, others: Mapping[str, float], renormalised: float | None, *, key: str
) -> None:
    """Show the density of |z| for z ~ N(0, I), its central 95 %, and the norms of the expression's z and of others."""
    peak = max(norms.density)
    curve = [(length, height / peak) for length, height in zip(norms.norms, norms.density, strict=True)]
    inside = [(x, y) for x, y in curve if norms.low <= x <= norms.high]
    marks = [(t("seeds.gauge_this"), value, 1.12, "diamond", 13)]
    if renormalised is not None:
        marks.append((t("seeds.gauge_renormalised"), renormalised, 0.92, "star", 13))
    end = max(curve[-1][0], value, *others.values()) * 1.04

    def goes_left(length: float) -> bool:
        return length > 0.2 * end and (length < value or length > 0.75 * end)

    # Names point away from this z; of two neighbours the one whose name passes the other is taller.
    ordered = sorted((length, name) for name, length in others.items())
    leftward = [entry for entry in ordered if goes_left(entry[0])]
    rightward = [entry for entry in reversed(ordered) if not goes_left(entry[0])]
    for group in (leftward, rightward):
        marks += [(name, length, 0.28 + 0.18 * index, "circle", 8) for index, (length, name) in enumerate(group)]
    figure = go.Figure()
    for name, length, height, symbol, size in marks:
        figure.add_scatter(
            x=[length, length],
            y=[0, height],
            mode="lines+markers+text",
            text=["", f"{name} {length:.1f}"],
            textposition="middle left" if goes_left(length) else "middle right",
            marker={"symbol": ["circle", symbol], "size": [1, size]},
            line={"width": 3 if size > 10 else 1.5, "color": None if size > 10 else _GREY},
            name=name,
            hovertemplate=f"{name}: |z| = {length:.2f}<extra></extra>",
        )
    figure.add_scatter(
        x=[x for x, _ in curve],
        y=[y for _, y in curve],
        mode="lines",
        line={"color": _GREY, "width": 1.5},
        name=t("seeds.gauge_density"),
        hoverinfo="skip",
    )
    figure.add_scatter(
        x=[inside[0][0], *(x for x, _ in inside), inside[-1][0]],
        y=[0, *(y for _, y in inside), 0],
        mode="lines",
        fill="toself",
        fillcolor=_BAND,
        line={"width": 0},
        name=t("seeds.band"),
        hoverinfo="skip",
    )
    figure.update_layout(
        height=300,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        showlegend=False,
        xaxis={"title": t("seeds.gauge_x", dim=norms.dim), "range": [0, end], "fixedrange": True, "zeroline": False},
        yaxis={"visible": False, "range": [0, 1.25], "fixedrange": True},
    )
    st.plotly_chart(figure, key=key, config=_CONFIG)
