"""Fourier: the effect of the window on the spectrum of two tones and of a recording, and its spectrogram."""

from __future__ import annotations

import plotly.graph_objects as go
import streamlit as st

from genmodels.service.speak import sound
from genmodels.service.speak.sound import HOPS, LENGTHS, RATE, Sound, TwoTones
from genmodels.signal.fourier import WINDOWS, Window, main_lobe
from pages.components import address, choice, speak_state
from pages.components.i18n import t
from pages.components.theme import explain, friendly_errors
from pages.parts.speak import charts, source
from pages.parts.speak.charts import COLOURS, GREY

_FLOOR = -100


def read_address() -> None:
    """Read `?window=`, `?length=` and `?hop=`, in every part of the page."""
    options: dict[str, tuple[object, ...]] = {"window": WINDOWS, "length": LENGTHS, "hop": HOPS}
    for name, choices in options.items():
        problem = address.problem(name, address.one_of(choices))
        address.bind("speak", name, f"speak_{name}", address.option(choices), problem)


def show() -> None:
    """Show window, length and hop; below them two tones and a recording."""
    explain(t("speak.fourier.text"))
    window, length, hop = _controls()
    lobe, apart = main_lobe(window, length, RATE)
    milliseconds = f"{1_000 * length / RATE:.0f}"
    st.caption(t("speak.fourier.resolution", lobe=f"{lobe:.1f}", hertz=f"{apart:.1f}", milliseconds=milliseconds))
    with friendly_errors():
        _two_tones(window, length)
    with friendly_errors():
        _recording(window, length, hop)


def _controls() -> tuple[Window, int, int]:
    memory = st.session_state
    for key, value in (("speak_window", "hann"), ("speak_length", 256), ("speak_hop", 4)):
        memory.setdefault(key, value)
    left, middle, right = st.columns(3, gap="medium")
    with left:
        chosen = st.segmented_control(
            t("speak.fourier.window"),
            WINDOWS,
            format_func=lambda name: t(f"speak.fourier.windows.{name}"),
            required=True,
            key="speak_window",
            help=t("speak.fourier.window_help"),
            wrap=True,
            persist_state="session",
        )
    window: Window = chosen or "hann"
    with middle:
        length = st.select_slider(
            t("speak.fourier.length"),
            LENGTHS,
            key="speak_length",
            help=t("speak.fourier.length_help"),
            persist_state="session",
        )
    part = choice.choose(
        t("speak.fourier.hop"),
        HOPS,
        lambda part: t("speak.fourier.hop_of", part=part, samples=length // part),
        key="speak_hop",
        kind="select_slider",
        place=right,
        help=t("speak.fourier.hop_help"),
        persist_state="session",
    )
    address.write_view("speak", {"window": window, "length": str(length), "hop": str(part)})
    return window, int(length), int(length) // int(part)


def _two_tones(window: Window, length: int) -> None:
    st.header(t("speak.fourier.tones"), anchor=False)
    left, right = st.columns([3, 7], gap="large")
    memory = st.session_state
    memory.setdefault("speak_apart", 300)
    memory.setdefault("speak_weaker", 40)
    with left:
        explain(t("speak.fourier.tones_text"))
        for name, ends, step, unit in (
            ("apart", speak_state.APART, 10, "Hz"),
            ("weaker", speak_state.WEAKER, 5, "dB"),
        ):
            st.slider(
                t(f"speak.fourier.{name}"),
                *ends,
                step=step,
                key=f"speak_{name}",
                format=f"%d {unit}",
                help=t(f"speak.fourier.{name}_help"),
                persist_state="session",
            )
        apart, weaker = memory.speak_apart, memory.speak_weaker
        address.write_view("speak", {"apart": str(apart), "weaker": str(weaker)})
        tones = sound.two_tones(TwoTones.parse({"apart": apart, "weaker": weaker}))
        st.audio(tones.played, "audio/wav", alt=t("speak.fourier.tones_alt"))
    with right:
        figure = go.Figure()
        second = 1_010 + apart
        for frequency in (1_010, second):
            figure.add_vline(frequency, line={"dash": "dot", "width": 1, "color": GREY})
        _spectra(figure, tones, window, length, 0.3)
        charts.chart(
            figure,
            "speak_two_tones",
            t("speak.fourier.tones_chart_alt", first="1,010", second=f"{second:,}"),
            320,
            xaxis={
                "title": t("speak.charts.frequency"),
                "ticksuffix": " Hz",
                "range": [0, RATE / 2],
                "fixedrange": True,
            },
            yaxis={"title": t("speak.charts.level"), "ticksuffix": " dB", "range": [_FLOOR, 0], "fixedrange": True},
            legend=charts.LEGEND,
        )


def _spectra(figure: go.Figure, shown: Sound, window: Window, length: int, at: float) -> None:
    """Add the spectrum with the chosen window, and the one with a rectangular window behind it."""
    for name in dict.fromkeys(("rectangular", window)):
        frequencies, decibels = sound.spectrum(shown, name, length, at)
        chosen = name == window
        figure.add_scatter(
            x=frequencies,
            y=decibels.clip(_FLOOR),
            mode="lines",
            line={"width": 2 if chosen else 1, "color": COLOURS[0] if chosen else COLOURS[1]},
            name=t(f"speak.fourier.windows.{name}"),
            hovertemplate="%{x:.0f} Hz: %{y:.0f} dB",
        )


def _recording(window: Window, length: int, hop: int) -> None:
    st.header(t("speak.fourier.recording"), anchor=False)
    left, right = st.columns([3, 7], gap="large")
    memory = st.session_state
    memory.setdefault("speak_at", 40)
    with left:
        explain(t("speak.fourier.recording_text"))
        recording = source.pick("fourier", sound.recordings_config(), RATE)
        if recording is None:
            return
        st.audio(recording.played, "audio/wav", alt=recording.title or t("speak.source.own"))
        at = st.slider(
            t("speak.fourier.at"),
            0,
            100,
            key="speak_at",
            format="%d %%",
            help=t("speak.fourier.at_help"),
            persist_state="session",
        )
        address.write("speak", "at", str(at))
    with right:
        what = recording.title or t("speak.source.own")
        charts.spectrogram(
            recording,
            key="speak_stft",
            alt=t("speak.charts.spectrogram_alt", what=what),
            window=window,
            length=length,
            hop=hop,
            height=300,
        )
        figure = go.Figure()
        _spectra(figure, recording, window, length, at / 100)
        charts.chart(
            figure,
            "speak_spectrum",
            t("speak.fourier.spectrum_alt", seconds=f"{at / 100 * max(0, recording.seconds - length / RATE):.2f}"),
            280,
            xaxis={
                "title": t("speak.charts.frequency"),
                "ticksuffix": " Hz",
                "range": [0, RATE / 2],
                "fixedrange": True,
            },
            yaxis={
                "title": t("speak.charts.level"),
                "ticksuffix": " dB",
                "range": [_FLOOR - 20, 0],
                "fixedrange": True,
            },
            legend=charts.LEGEND,
        )
