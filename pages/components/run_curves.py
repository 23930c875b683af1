"""The curves of a run: thinned, smoothed, and drawn with their ideal values."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

import streamlit as st

from genmodels.model import Curve
from pages.components.i18n import has, t
from pages.components.metrics_tail import Series
from pages.components.run_chart import chart_spec, legend_height

S = TypeVar("S", int, float)
_HELD_OUT = "validation/"
POINTS = 1_000
"""Points per chart, over all its lines; 1,000 cost a browser about 10 % of a core at one update per 2 s."""


def thin(steps: Sequence[S], values: Sequence[float], limit: int) -> tuple[list[S], list[float], int]:
    """At most `limit` points, each the mean of `count` consecutive ones at the last one's step; and `count`."""
    count = max(1, -(-len(steps) // limit))
    if count == 1:
        return list(steps), list(values), 1
    starts = range(0, len(steps), count)
    groups = [values[start : start + count] for start in starts]
    ends = [steps[min(start + count, len(steps)) - 1] for start in starts]
    return ends, [sum(group) / len(group) for group in groups], count


def smoothed(values: Sequence[float], weight: float) -> list[float]:
    """The exponential moving average with bias correction; for a weight of 0 the values themselves."""
    mean, total, result = 0.0, 0.0, []
    for value in values:
        if math.isfinite(value):
            mean, total = weight * mean + (1 - weight) * value, weight * total + (1 - weight)
        result.append(mean / total if total else value)
    return result


def groups_of(series: Series) -> dict[str, list[str]]:
    """Metric names by the part before the slash, one chart each, losses first; without those of previews.

    A metric of held-out data is in the chart of the training metric of its name.
    """
    groups: dict[str, list[str]] = {}
    for name in sorted(series, key=lambda name: name.startswith(_HELD_OUT)):
        group = name.removeprefix(_HELD_OUT).split("/")[0]
        if group != "preview":
            groups.setdefault(group, []).append(name)
    return dict(sorted(groups.items(), key=lambda item: item[0] != "loss"))


def with_held_out(curves: Mapping[str, Curve], names: Iterable[str]) -> dict[str, Curve]:
    """The curves, and those of the same metrics on held-out data among `names`."""
    held_out = {name: curves[name.removeprefix(_HELD_OUT)] for name in names if name.removeprefix(_HELD_OUT) in curves}
    added = {
        name: Curve(t("runs.held_out", label=curve.label), t("runs.held_out_text"), curve.ideal)
        for name, curve in held_out.items()
        if name.startswith(_HELD_OUT)
    }
    return {**curves, **added}


def title_of(group: str) -> str:
    return t(f"runs.group.{group}") if has(f"runs.group.{group}") else group


def chart(
    series: Series,
    names: Sequence[str],
    curves: Mapping[str, Curve],
    events: Sequence[Mapping[str, Any]] = (),
    *,
    height: int = 260,
    alt: str | None = None,
    axis: str = "",
    smoothing: float = 0.0,
) -> tuple[int, int]:
    """Show metrics as lines over the steps, with `axis` as the title of the value axis.

    Returns the number of logged steps per point, and the number of points above the visible range, which are marked at
    its upper edge. With `smoothing` the lines are pale, with their moving average on top.
    """
    data: dict[str, list[Any]] = {"step": [], "value": [], "smooth": [], "curve": []}
    coarsest = 1
    labels = [curves[name].label if name in curves else name for name in names]
    for name, label in zip(names, labels, strict=True):
        steps, values, count = thin(*series[name], POINTS // len(names))
        smooth = smoothed(values, smoothing)
        columns = (("step", steps), ("value", values), ("smooth", smooth), ("curve", [label] * len(steps)))
        for column, added in columns:
            data[column] += added
        coarsest = max(coarsest, count)
    ideals = sorted({curve.ideal for name in names if (curve := curves.get(name)) and curve.ideal is not None})
    last = max(data["step"], default=0)
    spec, outside = chart_spec(data, labels, ideals, events, axis=axis or t("runs.axis_value"), smooth=smoothing > 0)
    st.vega_lite_chart(
        data,
        spec,
        height=height + legend_height(labels),
        width="stretch",
        alt=alt or t("runs.curves_alt", metrics=", ".join(labels), step=last),
    )
    return coarsest, outside
