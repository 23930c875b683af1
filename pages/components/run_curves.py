"""The curves of a run: read on from where the last reader stopped, thinned, drawn with their ideal values."""

from __future__ import annotations

import threading
from array import array
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeGuard

import streamlit as st

from genmodels.model import Curve
from genmodels.runfolder import RunFolder
from pages.components.i18n import has, t

POINTS = 1_000
"""Points in one chart, all its lines together; 1,000 cost a browser about 10 % of a core at one picture in 2 s."""
_TAILS_KEPT = 64
_PIECE = 8 * 2**20  # bytes read at a time
_HUGE = 2**53  # above it a whole number is none in a browser
_GREY = "#8a9499"


class Line(NamedTuple):
    """One metric: 16 bytes a point."""

    steps: array[int]
    values: array[float]


Series = dict[str, Line]


class MetricsTail:
    """All points of one run; `series` reads only what was appended since its last call."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._clear()

    def _clear(self) -> None:
        self._file, self._offset, self._series = 0, 0, Series()

    def series(self) -> Series:
        """Steps and values by metric. A copy: another visitor's script may read on at any time."""
        with self._lock:
            file, size = self._folder.metrics_stamp()
            if file != self._file or size < self._offset:
                self._clear()
                self._file = file
            while True:  # in pieces: as objects, lines take ten times the memory that they take in the file
                before = self._offset
                lines, self._offset = self._folder.metrics(before, _PIECE)
                for line in lines:
                    self._append(line)
                if self._offset == before:
                    break
            return {name: Line(line.steps[:], line.values[:]) for name, line in self._series.items()}

    def _append(self, line: Mapping[str, Any]) -> None:
        step = line.get("step")
        if not _is_whole(step) or step < 0:
            return
        for name, value in line.items():
            if name not in ("step", "time") and (isinstance(value, float) or _is_whole(value)):
                known = self._series.setdefault(name, Line(array("q"), array("d")))
                known.steps.append(step)
                known.values.append(float(value))


def _is_whole(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and abs(value) < _HUGE


_tails: OrderedDict[Path, MetricsTail] = OrderedDict()
_tails_lock = threading.Lock()


def series_of(folder: RunFolder) -> Series:
    """Every point of a run; what was read before is kept for all visitors of this server."""
    with _tails_lock:
        tail = _tails.setdefault(folder.path, MetricsTail(folder))
        _tails.move_to_end(folder.path)
        while len(_tails) > _TAILS_KEPT:
            _tails.popitem(last=False)
    return tail.series()


def thin(steps: Sequence[int], values: Sequence[float], limit: int) -> tuple[list[int], list[float], int]:
    """At most `limit` points, each the mean of `count` neighbours at the last one's step; and that count."""
    count = max(1, -(-len(steps) // limit))
    if count == 1:
        return list(steps), list(values), 1
    starts = range(0, len(steps), count)
    groups = [values[start : start + count] for start in starts]
    ends = [steps[min(start + count, len(steps)) - 1] for start in starts]
    return ends, [sum(group) / len(group) for group in groups], count


def groups_of(series: Series) -> dict[str, list[str]]:
    """Metric names by what stands before the slash: one chart each, losses first. Previews have their own."""
    groups: dict[str, list[str]] = {}
    for name in series:
        group = name.split("/")[0]
        if group != "preview":
            groups.setdefault(group, []).append(name)
    return dict(sorted(groups.items(), key=lambda item: item[0] != "loss"))


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
) -> int:
    """Draw some metrics as lines over the steps; returns how many logged steps one point stands for."""
    data: dict[str, list[Any]] = {"step": [], "value": [], "curve": []}
    coarsest = 1
    for name in names:
        label = curves[name].label if name in curves else name
        steps, values, count = thin(*series[name], POINTS // len(names))
        for column, added in (("step", steps), ("value", values), ("curve", [label] * len(steps))):
            data[column] += added
        coarsest = max(coarsest, count)
    ideals = sorted({curve.ideal for name in names if (curve := curves.get(name)) and curve.ideal is not None})
    labels = [curves[name].label if name in curves else name for name in names]
    last = max(data["step"], default=0)
    st.vega_lite_chart(
        data,
        _spec(data, labels, ideals, events),
        height=height,
        width="stretch",
        alt=alt or t("runs.curves_alt", metrics=", ".join(labels), step=last),
    )
    return coarsest


def _spec(
    data: Mapping[str, list[Any]], labels: list[str], ideals: list[float], events: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    y: dict[str, Any] = {"field": "value", "type": "quantitative", "title": None}
    y["scale"] = {"zero": False, **_domain(data["value"], ideals)}
    layers: list[dict[str, Any]] = [
        {
            # A line of one point cannot be seen
            "mark": {"type": "line", "clip": True, "strokeWidth": 1.6, "point": len(data["step"]) <= 3 * len(labels)},
            "encoding": {
                "x": {"field": "step", "type": "quantitative", "title": t("runs.axis_step"), "axis": {"format": ",d"}},
                "y": y,
                "color": {
                    "field": "curve",
                    "type": "nominal",
                    "scale": {"domain": labels},
                    "legend": {"title": None, "orient": "top", "columns": 2} if len(labels) > 1 else None,
                },
                "tooltip": [
                    {"field": "curve", "type": "nominal", "title": " "},
                    {"field": "step", "type": "quantitative", "format": ","},
                    {"field": "value", "type": "quantitative", "format": ".4g"},
                ],
            },
        }
    ]
    for ideal in ideals:
        values = [{"value": ideal, "text": t("runs.ideal", value=ideal)}]
        height_of = {"field": "value", "type": "quantitative"}
        rule = {"type": "rule", "strokeDash": [6, 4], "color": _GREY, "strokeWidth": 1.5}
        layers.append({"data": {"values": values}, "mark": rule, "encoding": {"y": height_of}})
        text = {"type": "text", "align": "right", "dx": -4, "dy": -7, "color": _GREY, "x": "width"}
        encoding = {"y": height_of, "text": {"field": "text", "type": "nominal"}}
        layers.append({"data": {"values": values}, "mark": text, "encoding": encoding})
    if events:
        layers.append(
            {
                "data": {"values": [{"step": e["step"], "what": e["what"]} for e in events]},
                "mark": {"type": "rule", "color": _GREY, "opacity": 0.6, "strokeWidth": 2},
                "encoding": {
                    "x": {"field": "step", "type": "quantitative"},
                    "tooltip": {"field": "what", "type": "nominal", "title": " "},
                },
            }
        )
    return {"layer": layers}


def _domain(values: Sequence[float], ideals: list[float]) -> dict[str, Any]:
    """A fixed range where a few early points would flatten all the rest; rounded, so that it seldom changes."""
    if len(values) < 40:
        return {}
    ordered = sorted(values)
    low, middle, high = (ordered[int(share * (len(ordered) - 1))] for share in (0.01, 0.5, 0.97))
    if ordered[-1] - middle < 3 * (high - middle):
        return {}
    low, high = min([low, *ideals]), max([high, *ideals])
    margin = (high - low) * 0.15 or 1.0
    return {"domain": [float(f"{low - margin:.2g}"), float(f"{high + margin:.2g}")], "nice": False}
