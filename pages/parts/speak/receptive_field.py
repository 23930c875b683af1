"""The receptive field of a dilated causal network: the past samples that each layer depends on, and their influence."""

from __future__ import annotations

import itertools

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from genmodels.runs.catalog import CheckpointInfo
from genmodels.service.speak import facts, receptive_field
from genmodels.service.speak.facts import AudioFacts
from pages.components import address, view
from pages.components.i18n import t
from pages.components.theme import explain, friendly_errors
from pages.parts.speak import charts
from pages.parts.speak.charts import COLOURS, GREY

_MAX_LINES = 256  # per layer; more would be less than two pixels apart


def show(info: CheckpointInfo, step: int) -> None:
    """Show the taps of one stack as a tree, the receptive field of each layer, and the gradient."""
    audio = facts.audio_facts(info.name)
    if not audio.dilations:
        st.info(t("speak.past.none"), icon=":material/info:")
        return
    milliseconds = 1_000 * audio.receptive_field / audio.rate
    undilated = len(audio.dilations) + 2
    st.markdown(
        t(
            "speak.past.text",
            layers=len(audio.dilations),
            samples=f"{audio.receptive_field:,}",
            milliseconds=f"{milliseconds:.0f}",
            undilated=undilated,
            undilated_ms=f"{1_000 * undilated / audio.rate:.1f}",
        )
    )
    left, right = st.columns(2, gap="large")
    with left:
        st.header(t("speak.past.tree"), anchor=False)
        _tree(audio)
    with right:
        st.header(t("speak.past.receptive_field"), anchor=False)
        _fields(audio)
    st.header(t("speak.past.influence"), anchor=False)
    explain(t("speak.past.influence_text"))
    with friendly_errors():
        address.write("speak", "step", view.step_text(info, step))
        _influence(receptive_field.influence(info.name, step), audio)


def _tree(audio: AudioFacts) -> None:
    """Show the samples that the newest one depends on through one stack: each layer combines two, a dilation apart.

    Layers whose lines would be too close are shown as a band, which reaches every sample.
    """
    stack = audio.dilations[: _stack_length(audio.dilations)]
    whole = sum(stack) + 1
    xs: list[float | None] = []
    ys: list[float | None] = []
    times, lowest = [0], len(stack)
    while lowest and 2 * len(times) <= _MAX_LINES:
        taps = (0, stack[lowest - 1])
        for time, tap in itertools.product(times, taps):
            xs += [-time, -time - tap, None]
            ys += [lowest, lowest - 1, None]
        times = sorted({time + tap for time in times for tap in taps})
        lowest -= 1
    figure = go.Figure()
    figure.add_scatter(x=xs, y=ys, mode="lines", line={"width": 1, "color": COLOURS[0]}, hoverinfo="skip")
    if lowest:
        band = {"x0": -times[-1], "x1": 0, "y0": 0, "y1": lowest, "fillcolor": COLOURS[0], "opacity": 0.55}
        figure.add_shape(type="rect", line={"width": 0}, layer="below", **band)
        figure.add_shape(type="line", x0=1 - whole, x1=0, y0=0, y1=0, line={"width": 4, "color": COLOURS[1]})
    else:
        figure.add_scatter(
            x=[-time for time in times],
            y=[0] * len(times),
            mode="markers",
            marker={"size": 4, "color": COLOURS[1]},
            hovertemplate=t("speak.past.tap_hover"),
        )
    names = [t("speak.past.input"), *(t("speak.past.layer", index=i + 1, dilation=d) for i, d in enumerate(stack))]
    alt = t("speak.past.tree_alt", layers=len(stack), samples=f"{whole:,}")
    if lowest:
        apart = times[1] - times[0]
        alt += " " + t("speak.past.tree_band", layers=lowest, times=f"{len(times):,}", apart=apart)
    charts.chart(
        figure,
        "speak_tree",
        alt,
        380,
        showlegend=False,
        xaxis={"title": t("speak.past.x"), "fixedrange": True},
        yaxis={
            "tickvals": list(range(len(names))),
            "ticktext": names,
            "fixedrange": True,
            "range": [-0.3, len(stack) + 0.3],
        },
    )


def _stack_length(dilations: tuple[int, ...]) -> int:
    """The number of layers before the dilations start again."""
    return next((i for i in range(1, len(dilations)) if dilations[i] <= dilations[i - 1]), len(dilations))


def _fields(audio: AudioFacts) -> None:
    """Show the receptive field of each layer, through all layers below it."""
    samples = np.cumsum(audio.dilations) + 2
    milliseconds = 1_000 / audio.rate
    figure = go.Figure(
        go.Bar(
            x=samples * milliseconds,
            y=list(range(1, len(samples) + 1)),
            orientation="h",
            marker_color=COLOURS[0],
            customdata=np.stack([samples, audio.dilations], 1),
            hovertemplate=t("speak.past.receptive_field_hover"),
        )
    )
    size = _stack_length(audio.dilations)
    for start in range(size, len(samples), size):
        figure.add_hline(start + 0.5, line={"dash": "dot", "width": 1, "color": GREY})
    charts.chart(
        figure,
        "speak_receptive_field",
        t(
            "speak.past.receptive_field_alt",
            values=", ".join(f"{value * milliseconds:.0f}" for value in samples[size - 1 :: size]),
        ),
        380,
        xaxis={"title": t("speak.past.receptive_field_x"), "fixedrange": True},
        yaxis={"title": t("speak.past.receptive_field_y"), "fixedrange": True},
    )


def _influence(gradient: np.ndarray, audio: AudioFacts) -> None:
    times = -np.arange(len(gradient), 0, -1)
    figure = go.Figure(
        go.Scatter(
            x=times,
            y=np.maximum(gradient, 1e-6),
            mode="lines",
            line={"width": 1, "color": COLOURS[0]},
            hovertemplate=t("speak.past.influence_hover"),
        )
    )
    half = int(np.searchsorted(np.cumsum(gradient[::-1]), 0.5 * gradient.sum())) + 1
    figure.add_vline(-half, line={"dash": "dash", "width": 1.5, "color": GREY})
    charts.chart(
        figure,
        "speak_influence",
        t("speak.past.influence_alt", half=f"{half:,}", milliseconds=f"{1_000 * half / audio.rate:.1f}"),
        260,
        xaxis={"title": t("speak.past.x"), "fixedrange": True},
        yaxis={"type": "log", "exponentformat": "power", "fixedrange": True, "title": t("speak.past.influence_y")},
    )
