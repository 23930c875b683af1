"""Charts of sound: waveforms, reduced to the resolution of a screen, and spectrograms."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go
import streamlit as st

from genmodels.service.speak import sound
from genmodels.service.speak.sound import Sound
from genmodels.signal.fourier import Window
from pages.components.i18n import t

GREY = "#8a9499"
CONFIG = {"displayModeBar": False}
MARGIN = {"l": 8, "r": 8, "t": 8, "b": 8}
LEGEND = {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0}
COLOURS = ("#1f949b", "#d9772b", "#7a68c4")
"""Colours of the generated, the given and a third part, with contrast on the pages of both themes."""
_DEPTH = 80.0  # dB shown below the maximum


def chart(figure: go.Figure, key: str, alt: str, height: int = 220, **layout: Any) -> None:
    """Show a figure with its description as a caption."""
    figure.update_layout(height=height, margin=MARGIN, **layout)
    st.plotly_chart(figure, key=key, config=CONFIG)
    st.caption(alt)


def waveform(shown: Sound, *, key: str, seam: float | None = None, alt: str, seconds: float | None = None) -> None:
    """Show a waveform; the part before `seam`, in seconds, in another colour. `seconds` fixes the axis."""
    figure = go.Figure()
    cut = len(shown.samples) if seam is None else round(seam * shown.rate)
    parts = [(shown.samples, 0.0, "generated")] if seam is None else []
    if seam is not None:
        parts = [(shown.samples[:cut], 0.0, "beginning"), (shown.samples[cut:], seam, "generated")]
    for samples, start, name in parts:
        envelope = sound.envelope(samples, shown.rate)
        color = COLOURS[0 if name == "generated" else 1]
        line = {"width": 1, "color": color}
        figure.add_scatter(
            x=envelope.times + start, y=envelope.low, mode="lines", line=line, showlegend=False, hoverinfo="skip"
        )
        figure.add_scatter(
            x=envelope.times + start,
            y=envelope.high,
            mode="lines",
            line=line,
            fill="tonexty",
            fillcolor=color,
            name=t(f"speak.charts.{name}"),
            hovertemplate="%{x:.3f} s: %{y:.2f}<extra></extra>",
        )
    if seam is not None:
        figure.add_vline(seam, line={"dash": "dash", "width": 2, "color": GREY})
    peak = max(0.05, float(abs(shown.samples).max())) if len(shown.samples) else 1.0
    chart(
        figure,
        key,
        alt,
        xaxis={"title": t("speak.charts.seconds"), "range": [0, seconds or shown.seconds], "fixedrange": True},
        yaxis={
            "title": t("speak.charts.amplitude"),
            "range": [-1.05 * peak, 1.05 * peak],
            "fixedrange": True,
            "nticks": 5,
        },
        showlegend=seam is not None,
        legend=LEGEND,
    )


def spectrogram(
    shown: Sound,
    *,
    key: str,
    alt: str,
    window: Window = "hann",
    length: int = 256,
    hop: int = 64,
    height: int = 220,
    bar: bool = True,
) -> None:
    """Show frequency against time, brighter is louder, from 80 dB below the maximum."""
    levels = sound.spectrogram(shown, window, length, hop)
    loudest = float(levels.decibels.max())
    figure = go.Figure(
        go.Heatmap(
            z=levels.decibels.round().astype("int16"),
            x=levels.times,
            y=levels.frequencies,
            zmin=loudest - _DEPTH,
            zmax=loudest,
            colorscale="Viridis",
            showscale=bar,
            colorbar={"ticksuffix": " dB", "thickness": 10, "dtick": 20},
            hovertemplate="%{x:.3f} s, %{y:.0f} Hz: %{z} dB<extra></extra>",
        )
    )
    chart(
        figure,
        key,
        alt,
        height,
        xaxis={"title": t("speak.charts.seconds"), "fixedrange": True},
        yaxis={"title": t("speak.charts.frequency"), "ticksuffix": " Hz", "fixedrange": True, "nticks": 6},
    )


def both(shown: Sound, *, key: str, seam: float | None = None, what: str) -> None:
    """Show waveform and spectrogram side by side."""
    left, right = st.columns(2, gap="medium")
    with left:
        waveform(shown, key=f"{key}_wave", seam=seam, alt=t("speak.charts.wave_alt", what=what))
    with right:
        spectrogram(shown, key=f"{key}_spectrogram", alt=t("speak.charts.spectrogram_alt", what=what))
