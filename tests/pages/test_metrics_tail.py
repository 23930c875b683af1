"""The points of a run, as Arrow and as Python read them."""

from __future__ import annotations

import json

import pytest

from genmodels.runs.folder import METRICS, RunFolder
from pages.components import metrics_tail
from pages.components.metrics_tail import MetricsTail

PLAIN = [
    {"step": step, "time": 0.5 * step, "loss/total": step / 7} | ({"preview/diversity": 1} if step % 50 == 0 else {})
    for step in range(2_000)
]
ODD = {
    "not finite": '{"step": 3, "loss/total": NaN, "score/real": -Infinity}',
    "null": '{"step": 3, "loss/total": null}',
    "nothing but null": '{"step": 3, "loss/other": null}',
    "integer in a column of floats": '{"step": 3, "loss/total": 2}',
    "integer that is not exact": '{"step": 3, "loss/total": 9007199254740993}',
    "large float": '{"step": 3, "loss/total": 1e300}',
    "number of 400 digits": '{"step": 3, "loss/total": 1' + 400 * "0" + "}",
    "text": '{"step": 3, "loss/total": "4"}',
    "truth value": '{"step": 3, "loss/total": true}',
    "date": '{"step": 3, "loss/date": "2020-01-01T00:00:00"}',
    "nested": '{"step": 3, "loss/total": {"step": 1}}',
    "list": '{"step": 3, "loss/total": [1, 2]}',
    "nested deeply": '{"step": 3, "loss/total": ' + 100_000 * "[",
    "step that is no integer": '{"step": 3.0, "loss/total": 1.5}',
    "negative step": '{"step": -3, "loss/total": 1.5}',
    "step of 20 digits": '{"step": 12345678901234567890, "loss/total": 1.5}',
    "no step": '{"loss/total": 1.5}',
    "name twice": '{"step": 3, "loss/total": 1.5, "loss/total": 2.5}',
    "two objects": '{"step": 3, "loss/total": 1.5}{"step": 4, "loss/total": 1.5}',
    "cut off": '{"step": 3, "loss/to',
    "empty line": "",
    "list of its own": "[1, 2]",
    "text of its own": '"{}"',
    "escapes": '{"\\u0073tep": 3, "loss/total": 1.5}',
}


def series_of(folder: RunFolder, lines: list[str]) -> tuple[metrics_tail.Series, metrics_tail.Line]:
    (folder.path / METRICS).write_text("\n".join(lines) + "\n")
    tail = MetricsTail(folder)
    return tail.series(), tail.clock()


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_a_long_file_has_the_same_points_as_a_short_one(tmp_path, monkeypatch, odd):
    folder = RunFolder(tmp_path)
    lines = [json.dumps(point) for point in PLAIN]
    lines.insert(1_000, odd)
    quick = series_of(folder, lines)
    monkeypatch.setattr(metrics_tail, "_columns", lambda raw: None)
    slow = series_of(folder, lines)
    assert repr(quick) == repr(slow)  # NaN is not equal to itself
    assert len(quick[0]["loss/total"].steps) >= 2_000
    assert quick[0]["loss/total"].values[-1] == 1999 / 7


def test_plain_lines_are_read_by_arrow_and_later_ones_are_added(tmp_path):
    raw = "".join(json.dumps(point) + "\n" for point in PLAIN).encode()
    columns = metrics_tail._columns(raw)
    assert columns is not None
    assert [name for name, *_ in columns] == ["time", "loss/total", "preview/diversity"]
    folder = RunFolder(tmp_path)
    (tmp_path / METRICS).write_bytes(raw)
    tail = MetricsTail(folder)
    assert len(tail.series()["preview/diversity"].steps) == 40
    assert "time" not in tail.series()
    folder.append_metrics(2_000, {"loss/total": 3.5})
    line, clock = tail.series()["loss/total"], tail.clock()
    assert (line.steps[-1], line.values[-1]) == (2_000, 3.5)
    assert (len(clock.steps), clock.values[1_999]) == (2_001, 999.5)
