"""The Vega-Lite specification of a run's curves: axes, lines, ideal values, events, marks for out-of-range points."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from pages.components.i18n import t

_GREY = "#8a9499"
_MAX_MARKS = 200
_SHORT_NAME = 18  # characters
_ROW = 20  # pixels per row of a legend


def chart_spec(
    data: Mapping[str, list[Any]],
    labels: list[str],
    ideals: list[float],
    events: Sequence[Mapping[str, Any]],
    *,
    axis: str,
    smooth: bool = False,
) -> tuple[dict[str, Any], int]:
    """The specification, and the number of points above its range; columns of `data`: step, value, smooth, curve."""
    low, high = _range([*data["value"], *ideals], ideals)
    # Both scales are fixed: otherwise Vega warns of an infinite extent before the data arrive.
    x: dict[str, Any] = {"field": "step", "type": "quantitative", "title": t("runs.axis_step")}
    x |= {"axis": {"format": ",d"}, "scale": {"domain": [min(data["step"], default=0), max(data["step"], default=1)]}}
    y = {"type": "quantitative", "title": axis, "axis": {"tickCount": 5, "format": ".3~g", "labelOverlap": True}}
    y["scale"] = {"zero": False, "domain": [low, high], "nice": False}
    color = {
        "field": "curve",
        "type": "nominal",
        "scale": {"domain": labels},
        "legend": legend(labels),
    }
    tooltip = [
        {"field": "curve", "type": "nominal", "title": " "},
        {"field": "step", "type": "quantitative", "format": ","},
        {"field": "value", "type": "quantitative", "format": ".4g"},
    ]
    # A line of one point cannot be seen
    line = {"type": "line", "clip": True, "strokeWidth": 1.6, "point": len(data["step"]) <= 3 * len(labels)}
    encoding = {"x": x, "y": {"field": "value", **y}, "color": color, "tooltip": tooltip}
    layers: list[dict[str, Any]] = [{"mark": line | ({"opacity": 0.25} if smooth else {}), "encoding": encoding}]
    if smooth:
        layers.append({"mark": line, "encoding": {**encoding, "y": {"field": "smooth", **y}}})
    outside = [
        {"step": step, "value": value, "curve": curve}
        for step, value, curve in zip(data["step"], data["value"], data["curve"], strict=True)
        if value > high
    ]
    if outside:
        marks = {"values": outside[:: -(-len(outside) // _MAX_MARKS)]}
        mark = {"type": "point", "shape": "triangle-up", "filled": True, "size": 90, "opacity": 1}
        layers.append({"data": marks, "mark": mark, "encoding": {**encoding, "y": {"value": 4}}})
    layers += [layer for ideal in ideals for layer in _ideal(ideal)]
    if events:
        layers.append(_events(events))
    return {"layer": layers}, len(outside)


def legend(labels: Sequence[str]) -> dict[str, Any] | None:
    """The legend above the curves, with full names; two per row only if both fit on a phone. None for one curve."""
    if len(labels) < 2:
        return None
    columns = 2 if max(map(len, labels)) <= _SHORT_NAME else 1
    return {"title": None, "orient": "top", "columns": columns, "labelLimit": 0, "symbolOpacity": 1}


def legend_height(labels: Sequence[str]) -> int:
    """Height in pixels of the legend's rows after the second."""
    shown = legend(labels)
    return 0 if shown is None else _ROW * max(0, -(-len(labels) // shown["columns"]) - 2)


def _ideal(ideal: float) -> list[dict[str, Any]]:
    data = {"values": [{"value": ideal, "text": t("runs.ideal", value=ideal)}]}
    y = {"field": "value", "type": "quantitative"}
    rule = {"type": "rule", "strokeDash": [6, 4], "color": _GREY, "strokeWidth": 1.5}
    text = {"type": "text", "align": "right", "dx": -4, "dy": -7, "color": _GREY, "x": "width"}
    return [
        {"data": data, "mark": rule, "encoding": {"y": y}},
        {"data": data, "mark": text, "encoding": {"y": y, "text": {"field": "text", "type": "nominal"}}},
    ]


def _events(events: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "data": {"values": [{"step": event["step"], "what": event["what"]} for event in events]},
        "mark": {"type": "rule", "color": _GREY, "opacity": 0.6, "strokeWidth": 2, "clip": True},
        "encoding": {
            "x": {"field": "step", "type": "quantitative"},
            "tooltip": {"field": "what", "type": "nominal", "title": " "},
        },
    }


def _range(values: Sequence[float], ideals: list[float]) -> tuple[float, float]:
    """The rounded range of the values; narrower if a few outliers would flatten the rest."""
    ordered = sorted(value for value in values if math.isfinite(value))
    if not ordered:
        return 0.0, 1.0
    low, high = ordered[0], ordered[-1]
    if len(ordered) >= 40:
        least, middle, most = (ordered[int(fraction * (len(ordered) - 1))] for fraction in (0.01, 0.5, 0.97))
        if high - middle >= 3 * (most - middle):
            low, high = min([least, *ideals]), max([most, *ideals])
    margin = (high - low) * 0.1 or abs(high) * 0.1 or 1.0
    unit = 10.0 ** (math.floor(math.log10(high - low + 2 * margin)) - 1)
    bottom = 0.0 if 0 <= low <= margin else math.floor((low - margin) / unit) * unit
    return bottom, math.ceil((high + margin) / unit) * unit
