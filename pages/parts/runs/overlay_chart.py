"""The chart of several runs: places of the points on the horizontal axis, colours, dashes and scales."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import streamlit as st

from pages.components import run_curves
from pages.components.i18n import t
from pages.components.metrics_tail import Line
from pages.components.run_chart import legend, legend_height

AXES = ("step", "epoch", "seconds")
_COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#767676")
"""Okabe and Ito's colours for colour-blind people, those with a contrast of 3:1 in both themes, and a grey."""
_DASHES = ([1, 0], [8, 4], [2, 3], [8, 3, 2, 3], [12, 3])
MOST = len(_COLORS)
_HEIGHT = 340


class Curve(NamedTuple):
    """One run: places on the horizontal axis and values."""

    name: str
    places: Sequence[float]
    values: Sequence[float]


def places(
    steps: Sequence[int], axis: str, *, per_epoch: int, clock: Line, resumed: Sequence[float] = ()
) -> Sequence[float]:
    """The steps themselves, in epochs, or in seconds of training since the first logged point.

    `clock` has the time of each logged step, `resumed` the times at which the training was resumed: the pauses before
    them are left out.
    """
    if axis == "epoch":
        return [step / per_epoch for step in steps]
    if axis == "step":
        return [float(step) for step in steps]
    times = np.asarray(clock.values)
    gaps = np.diff(times, prepend=times[:1])
    for when in resumed:
        after = int(np.searchsorted(times, when))
        if 0 < after < len(times):
            gaps[after] = times[after] - when
    elapsed = np.cumsum(np.maximum(gaps, 0))  # a clock may have been set back
    where = np.searchsorted(np.asarray(clock.steps), np.asarray(steps))
    return elapsed[np.minimum(where, len(elapsed) - 1)].tolist() if len(elapsed) else [math.nan] * len(steps)


def show(curves: Sequence[Curve], *, axis: str, title: str, smoothing: float, log: bool) -> None:
    """Show the curves, thinned; with `log`, on a logarithmic scale without the values that are not positive."""
    data: dict[str, list[Any]] = {"place": [], "value": [], "curve": []}
    coarsest, left_out = 1, 0
    for curve in curves:
        points = [
            (place, value)
            for place, value in zip(curve.places, curve.values, strict=True)
            if math.isfinite(place) and math.isfinite(value)
        ]
        shown, values, count = run_curves.thin(
            [place for place, _ in points], [value for _, value in points], run_curves.POINTS // len(curves)
        )
        for place, value in zip(shown, run_curves.smoothed(values, smoothing), strict=True):
            if log and value <= 0:
                left_out += 1
                continue
            data["place"].append(place)
            data["value"].append(value)
            data["curve"].append(curve.name)
        coarsest = max(coarsest, count)
    if not data["value"]:
        st.caption(t("runs.overlay.nothing_positive" if left_out else "runs.overlay.no_curves"))
        return
    labels = [curve.name for curve in curves]
    st.vega_lite_chart(
        data,
        _spec(data, labels, axis=axis, title=title, log=log),
        height=_HEIGHT + legend_height(labels),
        width="stretch",
        key="runs_overlay_chart",
        alt=t("runs.overlay.alt", metric=title, names=", ".join(labels), axis=t(f"runs.overlay.axes.{axis}")),
    )
    if coarsest > 1:
        st.caption(t("runs.each_point", count=coarsest))
    if left_out:
        st.caption(t("runs.overlay.left_out", count=left_out))


def _spec(data: dict[str, list[Any]], labels: Sequence[str], *, axis: str, title: str, log: bool) -> dict[str, Any]:
    x: dict[str, Any] = {"field": "place", "type": "quantitative", "title": t(f"runs.overlay.axis_title.{axis}")}
    x |= {"axis": {"format": "~s" if axis == "step" else ",.3~f"}, "scale": {"domain": _domain(data["place"])}}
    scale: dict[str, Any] = {"type": "log" if log else "linear", "zero": False, "domain": _domain(data["value"])}
    y = {"field": "value", "type": "quantitative", "title": title, "scale": scale, "axis": {"format": ".3~g"}}
    shared = {"field": "curve", "type": "nominal", "legend": legend(labels)}
    return {
        "mark": {"type": "line", "clip": True, "strokeWidth": 1.8, "point": len(data["place"]) <= 3 * len(labels)},
        "encoding": {
            "x": x,
            "y": y,
            "color": {**shared, "scale": {"domain": labels, "range": list(_COLORS[: len(labels)])}},
            "strokeDash": {**shared, "scale": {"domain": labels, "range": list(_DASHES[: len(labels)])}},
            "tooltip": [
                {"field": "curve", "type": "nominal", "title": " "},
                {"field": "place", "type": "quantitative", "format": ",.6~g", "title": t(f"runs.overlay.axes.{axis}")},
                {"field": "value", "type": "quantitative", "format": ".4g"},
            ],
        },
    }


def _domain(values: Sequence[float]) -> list[float]:
    low, high = min(values), max(values)
    return [low, high] if high > low else [low - abs(low or 1) / 2, high + abs(high or 1) / 2]
