"""The scatter plot of the latent plane in Plotly: coloured classes with names; every position can be clicked."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from genmodels.service.manifold import Scatter
from genmodels.service.manifold.scatter_image import label_positions
from pages.components.i18n import t
from pages.components.theme import in_chart, is_dark

# Paul Tol's qualitative scheme "muted", which is safe for colour-blind people; the darkest and the palest colours are
# adjusted for contrast with the page of each theme. Names at the centre of each class work without colour.
_LIGHT = ("#332288", "#3d9bd1", "#2f9e8c", "#117733", "#8a8a1f", "#c9a227", "#cc6677", "#882255", "#aa4499", "#7b7f83")
_DARK = ("#8f86f0", "#88ccee", "#44bba4", "#3f9e57", "#b3b34a", "#ddcc77", "#e58292", "#c2487f", "#d07fc4", "#c9cdd0")
_STOPS = 61  # positions per axis that can be clicked; 0.13 apart over [-4, 4]


def colors() -> tuple[str, ...]:
    """One colour per class."""
    return _DARK if is_dark() else _LIGHT


def ink() -> str:
    """The colour of axes and names."""
    return "#e6ecec" if is_dark() else "#1d2a2e"


@st.cache_resource(max_entries=16, show_spinner=False)
def figure(key: str, dark: bool, _scatter: Scatter) -> go.Figure:
    """The scatter plot, cached by `key` and theme: creating it takes 50 ms, and a click changes nothing in it."""
    palette, line = (_DARK, "#e6ecec") if dark else (_LIGHT, "#1d2a2e")
    plot = go.Figure()
    classes = tuple(map(in_chart, _scatter.classes))
    names = classes or ("",)
    for index, name in enumerate(names):
        own = _scatter.label == index if _scatter.classes else slice(None)
        plot.add_trace(_dots(_scatter.x[own], _scatter.y[own], name, palette[index % len(palette)]))
    plot.add_trace(_everywhere(_scatter.extent, line))
    names_at_centres: list[dict[str, Any]] = []
    for index, (x, y) in label_positions(_scatter, _scatter.extent).items():
        names_at_centres.append(
            {
                "x": x,
                "y": y,
                "text": f"<b>{classes[index]}</b>",
                "showarrow": False,
                "font": {"size": 16, "color": line},
                "bgcolor": "rgba(18,24,27,0.65)" if dark else "rgba(251,250,247,0.7)",
                "borderpad": 1,
                "captureevents": False,
            }
        )
    limit = _scatter.extent
    axis = {"range": [-limit, limit], "zeroline": True, "constrain": "domain"}
    plot.update_layout(
        height=560,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        annotations=names_at_centres,
        clickmode="event+select",
        dragmode="pan",
        hovermode="closest",
        xaxis={**axis, "title": t("manifold.z1")},
        yaxis={**axis, "title": t("manifold.z2"), "scaleanchor": "x"},
        legend={"orientation": "h", "y": -0.12, "itemsizing": "constant"},
        showlegend=bool(_scatter.classes),
    )
    return plot


def _dots(x: np.ndarray, y: np.ndarray, name: str, color: str) -> go.Scattergl:
    unselected = {"marker": {"opacity": 0.75}}  # by default Plotly fades every point that is not selected
    return go.Scattergl(
        x=x.round(3),
        y=y.round(3),
        name=name,
        mode="markers",
        marker={"size": 4, "color": color, "opacity": 0.75},
        selected={"marker": {"opacity": 1, "size": 16}},
        unselected=unselected,
        hovertemplate=t("manifold.hover", name=name),
    )


def _everywhere(limit: float, color: str) -> go.Scattergl:
    """A grid of invisible points, so that every position can be clicked; the selected one shows as a ring."""
    stops = np.linspace(-limit, limit, _STOPS).round(3).astype(np.float32)
    x, y = np.meshgrid(stops, stops)
    return go.Scattergl(
        x=x.ravel(),
        y=y.ravel(),
        mode="markers",
        marker={"size": 9, "color": color, "opacity": 0, "symbol": "circle-open", "line": {"width": 3}},
        selected={"marker": {"opacity": 1, "size": 16}},
        unselected={"marker": {"opacity": 0}},
        hovertemplate=t("manifold.hover_empty"),
        showlegend=False,
        name="",
    )
