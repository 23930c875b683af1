"""Charts of the Evaluate page: classes of the samples, distance to the data, ELBO terms, metrics over training."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping
from typing import Literal

import plotly.graph_objects as go
import streamlit as st

from genmodels.evaluation.metric_table import name_of
from genmodels.runs.catalog import CheckpointInfo
from genmodels.service import evaluate
from genmodels.service.evaluate import Measured
from genmodels.service.evaluate.inspection import Calibration
from pages.components.choice import choose
from pages.components.i18n import t
from pages.components.numbers import percent
from pages.parts.evaluate.metrics import value_text

_GREY = "#8a9499"
_TITLE = 24  # characters of an axis title that fit beside a curve below a legend of two lines
_CONFIG = {"displayModeBar": False}
_MARGIN = {"l": 8, "r": 8, "t": 8, "b": 8}
_LEGEND = {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0}
# The metric that a curve over training shows by default: the first one that was measured.
_DEFAULT_METRICS = ("judge/frechet", "elbo/negative", "accuracy", "reconstruction/nats", "classes/kl_uniform")


def show(info: CheckpointInfo, measured: Measured) -> None:
    """Show the charts for which there are metrics, two side by side."""
    charts: list[Callable[[], None]] = []
    fractions = _fractions(measured.metrics)
    if fractions:
        charts.append(lambda: _classes(info, fractions))
    if "judge/frechet" in measured.metrics and "judge/frechet_real" in measured.metrics:
        charts.append(lambda: _distance(measured))
    if "elbo/recon" in measured.metrics and "elbo/kl" in measured.metrics:
        charts.append(lambda: _elbo(measured.metrics))
    for start in range(0, len(charts), 2):
        for column, chart in zip(st.columns(2, gap="medium"), charts[start : start + 2], strict=False):
            with column:
                chart()


def _fractions(metrics: Mapping[str, float]) -> list[float]:
    names = [f"classes/fraction_{digit}" for digit in range(10)]
    return [metrics[name] for name in names] if all(name in metrics for name in names) else []


def _classes(info: CheckpointInfo, fractions: list[float]) -> None:
    st.subheader(t("evaluate.classes.title"), anchor=False)
    real = evaluate.class_fractions(info.name)
    st.markdown(t("evaluate.classes.text" if real else "evaluate.classes.text_alone"))
    digits = [str(digit) for digit in range(10)]
    figure = go.Figure()
    figure.add_bar(x=digits, y=[100 * fraction for fraction in fractions], name=t("evaluate.classes.generated"))
    if real:
        figure.add_bar(
            x=digits, y=[100 * fraction for fraction in real], name=t("evaluate.classes.data"), marker_color=_GREY
        )
    figure.add_hline(10, line={"dash": "dash", "width": 1.5, "color": _GREY})
    figure.update_traces(hovertemplate="%{x}: %{y:.1f} %")
    figure.update_layout(
        height=280,
        margin=_MARGIN,
        legend=_LEGEND,
        showlegend=True,
        barmode="group",
        xaxis={"title": t("evaluate.classes.x"), "type": "category", "fixedrange": True},
        yaxis={"title": t("evaluate.classes.y"), "ticksuffix": " %", "fixedrange": True, "rangemode": "tozero"},
    )
    st.plotly_chart(figure, key="evaluate_classes", config=_CONFIG)
    listed = ", ".join(f"{digit}: {percent(fraction)}" for digit, fraction in enumerate(fractions))
    st.caption(t("evaluate.classes.caption", fractions=listed))


def _distance(measured: Measured) -> None:
    value, real = measured.metrics["judge/frechet"], measured.metrics["judge/frechet_real"]
    st.subheader(t("evaluate.distance.title"), anchor=False)
    st.markdown(t("evaluate.distance.text", times=f"{value / max(real, 1e-9):.1f}"))
    figure = go.Figure()
    spread = measured.metrics.get("judge/frechet_spread", 0.0)
    bars = (("generated", value, {"type": "data", "array": [spread]}, None), ("real", real, None, _GREY))
    for name, length, error, color in bars:
        figure.add_bar(
            y=[f"{t(f'evaluate.distance.{name}')}: {length:,.1f}"],
            x=[length],
            orientation="h",
            error_x=error,
            marker_color=color,
            hovertemplate="%{y}: %{x:.2f}<extra></extra>",
        )
    figure.add_vline(real, line={"dash": "dash", "width": 1.5, "color": _GREY})
    figure.update_layout(
        height=200,
        margin={**_MARGIN, "r": 40},
        showlegend=False,
        xaxis={"title": t("evaluate.distance.x"), "rangemode": "tozero", "fixedrange": True},
        yaxis={"autorange": "reversed", "fixedrange": True},
    )
    st.plotly_chart(figure, key="evaluate_distance", config=_CONFIG)
    if measured.measured_here("judge/frechet"):
        st.caption(t("evaluate.distance.few", samples=f"{measured.samples or evaluate.SAMPLES:,}"))


def _elbo(metrics: Mapping[str, float]) -> None:
    recon, kl = metrics["elbo/recon"], metrics["elbo/kl"]
    st.subheader(t("evaluate.elbo.title"), anchor=False)
    above = metrics.get("elbo/recon_above_entropy")
    words = {"recon": f"{recon:.1f}", "kl": f"{kl:.1f}", "total": f"{recon + kl:.1f}"}
    if above is None:  # measured by a version without the entropy of the data
        st.markdown(t("evaluate.elbo.text", **words))
        parts = [("recon", recon), ("kl", kl)]
    else:
        st.markdown(t("evaluate.elbo.text_entropy", entropy=f"{recon - above:.1f}", **words))
        parts = [("entropy", recon - above), ("recon_above", above), ("kl", kl)]
    figure = go.Figure()
    for name, value in ((t(f"evaluate.elbo.{part}"), value) for part, value in parts):
        figure.add_bar(
            y=[""], x=[value], name=name, orientation="h", text=f"{value:.1f}", hovertemplate="%{x:.2f}<extra></extra>"
        )
    figure.update_layout(
        height=150,
        margin=_MARGIN,
        legend={**_LEGEND, "traceorder": "normal"},
        barmode="stack",
        xaxis={"title": t("evaluate.elbo.x"), "fixedrange": True},
        yaxis={"fixedrange": True},
    )
    st.plotly_chart(figure, key="evaluate_elbo", config=_CONFIG)


def over_training(info: CheckpointInfo) -> None:
    """Show a metric of several steps as a curve, or a note if only one step was measured."""
    rows = evaluate.over_training(info)
    names = sorted({name for row in rows for name in row.metrics if sum(name in one.metrics for one in rows) > 1})
    names = [name for name in names if not name.endswith("_spread") and not name.startswith("classes/fraction_")]
    if not names and len(info.steps) < 2:  # a published card may have metrics of steps without weights
        return
    st.header(t("evaluate.curve.title"), anchor=False)
    if not names:
        st.markdown(t("evaluate.curve.none"))
        return
    chosen = choose(
        t("evaluate.curve.metric"),
        names,
        name_of,
        key="evaluate_figure",
        fallback=next((name for name in _DEFAULT_METRICS if name in names), None),
        help=t("evaluate.curve.metric_help"),
        persist_state="session",
    )
    points = [(row.step, row.metrics[chosen], row.measured_here(chosen)) for row in rows if chosen in row.metrics]
    here = "few" if "sampling" in info.capabilities and info.modality == "image" else "here"
    figure = go.Figure()
    for few, symbol in ((False, "circle"), (True, "circle-open")):
        own = [(step, value) for step, value, is_few in points if is_few == few]
        if own:
            figure.add_scatter(
                x=[step for step, _ in own],
                y=[value for _, value in own],
                name=t(f"evaluate.curve.{here if few else 'published'}"),
                mode="lines+markers",
                marker={"symbol": symbol, "size": 9},
                hovertemplate=t("evaluate.curve.hover"),
            )
    real = max((row.metrics.get("judge/frechet_real", 0.0) for row in rows), default=0.0)
    if chosen == "judge/frechet" and real:
        figure.add_scatter(
            x=[points[0][0], points[-1][0]],
            y=[real, real],
            name=t("evaluate.distance.real"),
            mode="lines",
            line={"dash": "dash", "width": 1.5, "color": _GREY},
            hovertemplate="%{y:.2f}",
        )
    axis = axis_of([value for trace in figure.data for value in trace.y])
    title = t(f"evaluate.curve.{axis}", name=name_of(chosen))
    figure.update_layout(
        height=300,
        margin=_MARGIN,
        legend=_LEGEND,
        showlegend=True,
        xaxis={"title": t("common.step"), "fixedrange": True, "tickformat": ",d"},
        yaxis={"title": "<br>".join(textwrap.wrap(title, _TITLE)), "fixedrange": True, "type": axis},
    )
    if axis == "log":
        figure.update_yaxes(dtick=1, tickformat="~r")
    st.plotly_chart(figure, key="evaluate_curve", config=_CONFIG)
    listed = "; ".join(f"{step:,}: {value_text(chosen, value)}" for step, value, _ in points)
    st.caption(t("evaluate.curve.caption", values=listed))


def axis_of(values: list[float]) -> Literal["log", "linear"]:
    """The axis type: logarithmic if values differ by a factor of 100 or more, to show the last improvements."""
    return "log" if min(values) > 0 and max(values) >= 100 * min(values) else "linear"


def calibration(histogram: Calibration) -> None:
    """Show the distribution of the discriminator's scores for real and for generated images."""
    figure = go.Figure()
    middles = [(low + high) / 2 for low, high in zip(histogram.edges, histogram.edges[1:], strict=False)]
    kind = "probability" if histogram.probability else "score"
    for fractions, name in ((histogram.real, "real"), (histogram.generated, "generated")):
        figure.add_bar(
            x=middles,
            y=[100 * fraction for fraction in fractions],
            name=t(f"evaluate.scores.{kind}_{name}"),
            opacity=0.75,
            hovertemplate="%{x:.2f}: %{y:.0f} %",
        )
    if histogram.probability:
        figure.add_vline(0.5, line={"dash": "dash", "width": 1.5, "color": _GREY})
    figure.update_layout(
        height=280,
        margin=_MARGIN,
        legend=_LEGEND,
        barmode="overlay",
        bargap=0.05,
        xaxis={
            "title": t(f"evaluate.scores.{kind}_x"),
            "fixedrange": True,
            "range": [histogram.edges[0], histogram.edges[-1]],
        },
        yaxis={"title": t("evaluate.scores.y"), "ticksuffix": " %", "fixedrange": True},
    )
    st.plotly_chart(figure, key="evaluate_scores", config=_CONFIG)
