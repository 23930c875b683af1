"""Mu-law quantisation of a recording to a number of levels: sound, signal-to-noise ratio and waveform."""

from __future__ import annotations

import plotly.graph_objects as go
import streamlit as st

from genmodels.service.speak import sound
from genmodels.service.speak.sound import LEVELS, RATE
from pages.components import address
from pages.components.i18n import t
from pages.components.theme import explain, friendly_errors
from pages.parts.speak import charts, source
from pages.parts.speak.charts import COLOURS, GREY


def read_address() -> None:
    """Read `?levels=`, in every part of the page."""
    problem = address.problem("levels", address.one_of(LEVELS))
    address.bind("speak", "levels", "speak_levels", address.option(LEVELS), problem)


def show() -> None:
    """Show recording and number of levels on the left, the quantised recording on the right."""
    explain(t("speak.levels.text"))
    left, right = st.columns([4, 6], gap="large")
    memory = st.session_state
    if memory.get("speak_levels") not in LEVELS:
        memory.speak_levels = 16
    with left:
        recording = source.pick("levels", sound.recordings_config(), RATE)
        levels = int(
            st.select_slider(
                t("speak.levels.levels"),
                LEVELS,
                key="speak_levels",
                help=t("speak.levels.levels_help"),
                persist_state="session",
            )
        )
        address.write("speak", "levels", str(levels))
        with friendly_errors():
            _staircase(levels)
    with right, friendly_errors():
        if recording is None:
            st.info(t("speak.levels.empty"), icon=":material/hearing:")
            return
        quantised = sound.quantise(recording, levels)
        st.markdown(t("speak.levels.snr", levels=levels, bits=levels.bit_length() - 1, snr=f"{quantised.snr:.1f}"))
        st.audio(quantised.wav, "audio/wav", alt=t("speak.levels.rounded_alt", levels=levels))
        st.caption(t("speak.levels.loudness"))
        st.markdown(t("speak.levels.original"))
        st.audio(recording.played, "audio/wav", alt=t("speak.levels.original_alt"))
        charts.waveform(
            quantised.sound,
            key="speak_levels_wave",
            alt=t("speak.charts.wave_alt", what=t("speak.levels.what", levels=levels)),
        )
        _curve(quantised.mu_law, quantised.uniform, levels)


def _staircase(levels: int) -> None:
    x, y = sound.staircase(levels)
    figure = go.Figure()
    figure.add_scatter(
        x=[-1, 1],
        y=[-1, 1],
        mode="lines",
        line={"dash": "dash", "width": 1.5, "color": GREY},
        name=t("speak.levels.exact"),
    )
    figure.add_scatter(
        x=x, y=y, mode="lines", line={"width": 2, "color": COLOURS[0], "shape": "hv"}, name=t("speak.levels.rounded")
    )
    axis = {"range": [-1.05, 1.05], "fixedrange": True, "nticks": 5}
    charts.chart(
        figure,
        "speak_staircase",
        t("speak.levels.staircase_alt", levels=levels),
        300,
        xaxis={**axis, "title": t("speak.levels.x")},
        yaxis={**axis, "title": t("speak.levels.y")},
        legend=charts.LEGEND,
    )


def _curve(mu_law: tuple[float, ...], even: tuple[float, ...], levels: int) -> None:
    figure = go.Figure()
    for name, values, color in (("mu_law", mu_law, COLOURS[0]), ("even", even, COLOURS[1])):
        figure.add_scatter(
            x=[str(count) for count in LEVELS],
            y=values,
            mode="lines+markers",
            line={"color": color},
            name=t(f"speak.levels.{name}"),
            hovertemplate="%{x}: %{y:.1f} dB",
        )
    figure.add_scatter(
        x=[str(levels)],
        y=[mu_law[LEVELS.index(levels)]],
        mode="markers",
        marker={"size": 16, "symbol": "circle-open", "line": {"width": 3}, "color": COLOURS[0]},
        showlegend=False,
        hoverinfo="skip",
    )
    listed = ", ".join(f"{count}: {value:.0f} dB" for count, value in zip(LEVELS, mu_law, strict=True))
    charts.chart(
        figure,
        "speak_snr",
        t("speak.levels.curve_alt", values=listed),
        260,
        xaxis={"title": t("speak.levels.levels"), "type": "category", "fixedrange": True},
        yaxis={"title": t("speak.charts.snr"), "ticksuffix": " dB", "fixedrange": True},
        legend=charts.LEGEND,
    )
