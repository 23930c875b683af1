"""Curves of a run: labelled axes, fixed ranges, points out of range are marked, smoothing changes no number."""

from __future__ import annotations

import math

import pytest

from pages.components.run_chart import chart_spec, legend, legend_height
from pages.components.run_curves import smoothed


def chart_of(values: list[float], ideals: tuple[float, ...] = (), *, smooth: bool = False):
    steps = list(range(len(values)))
    data = {"step": steps, "value": values, "smooth": smoothed(values, 0.9), "curve": ["loss"] * len(values)}
    return chart_spec(data, ["loss"], list(ideals), [], axis="Losses", smooth=smooth)


def test_both_axes_have_a_title_a_fixed_range_and_several_ticks():
    spec, outside = chart_of([0.2, 0.5, 0.4], (0.25,))
    encoding = spec["layer"][0]["encoding"]
    assert (encoding["x"]["title"], encoding["y"]["title"]) == ("step", "Losses")
    assert encoding["x"]["scale"]["domain"] == [0, 2]
    low, high = encoding["y"]["scale"]["domain"]
    assert low <= 0.2 < 0.5 <= high
    assert encoding["y"]["axis"]["tickCount"] == 5
    assert outside == 0


@pytest.mark.parametrize("values", [[], [1.0], [3.0] * 50, [1.2341, 1.2342], [-5.0, 5e6], [float("nan"), 1.0]])
def test_every_finite_value_lies_in_a_range_that_is_not_empty(values: list[float]):
    spec, _ = chart_of(values)
    low, high = spec["layer"][0]["encoding"]["y"]["scale"]["domain"]
    assert low < high
    assert all(low <= value <= high for value in values if math.isfinite(value))


def test_a_spike_is_counted_and_marked_at_the_edge():
    spec, outside = chart_of([1.0 + 0.01 * (n % 7) for n in range(100)] + [500.0])
    low, high = spec["layer"][0]["encoding"]["y"]["scale"]["domain"]
    assert (low < 1.0, high < 2.0, outside) == (True, True, 1)
    (marks,) = [layer for layer in spec["layer"] if layer["mark"]["type"] == "point"]
    assert marks["data"]["values"] == [{"step": 100, "value": 500.0, "curve": "loss"}]


def test_smoothing_draws_the_average_over_the_points():
    assert smoothed([4.0] * 5, 0.9) == pytest.approx([4.0] * 5)
    assert smoothed([1.0, 2.0], 0.0) == [1.0, 2.0]
    assert smoothed([0.0, 1.0], 0.5) == pytest.approx([0.0, 2 / 3])
    spec, _ = chart_of([1.0, 2.0, 0.5], smooth=True)
    raw, average = spec["layer"][:2]
    assert (raw["encoding"]["y"]["field"], average["encoding"]["y"]["field"]) == ("value", "smooth")
    assert raw["mark"]["opacity"] < 1


def test_each_name_in_a_legend_is_whole_and_fits_a_phone():
    assert legend(["loss"]) is None
    short, long = ["discriminator", "generator"], ["KL (nats)", "reconstruction above entropy (nats)", "a", "b"]
    for labels, columns, height in ((short, 2, 0), (long, 1, 40)):
        found = legend(labels)
        assert found is not None
        assert (found["columns"], found["labelLimit"], legend_height(labels)) == (columns, 0, height)
    data = {"step": [0, 1], "value": [0.0, 1.0], "smooth": [0.0, 1.0], "curve": [long[0], long[1]]}
    spec, _ = chart_spec(data, long, [], [], axis="Losses")
    assert spec["layer"][0]["encoding"]["color"]["legend"] == legend(long)
