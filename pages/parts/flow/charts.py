"""A chart with a line per metric or solver, as two parts of the page show it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

CONFIG = {"displayModeBar": False}
_SYMBOLS = ("circle", "square", "diamond", "cross")


def lines(
    series: Sequence[tuple[str, Sequence[float], Sequence[float]]],
    *,
    hover: str,
    height: int,
    xaxis: dict[str, Any],
    yaxis: dict[str, Any],
) -> go.Figure:
    """A figure of up to four series (name, x, y), each with its own marker; `hover` is the text of a point."""
    figure = go.Figure()
    for (name, x, y), symbol in zip(series, _SYMBOLS, strict=False):
        marker = {"symbol": symbol, "size": 8}
        figure.add_scatter(x=x, y=y, name=name, mode="lines+markers", marker=marker, hovertemplate=hover)
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        xaxis={"fixedrange": True, **xaxis},
        yaxis={"fixedrange": True, **yaxis},
    )
    return figure
