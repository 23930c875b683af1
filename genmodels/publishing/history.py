"""What a published run says about its training: metrics per saved step, training time, thinned curves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from statistics import median
from typing import Any

from genmodels import evaluation
from genmodels.recipes import Spec
from genmodels.runs import checkpoint
from genmodels.runs.folder import RunFolder

_CURVE_POINTS = 200
_PAUSE = 60.0  # seconds


def over_training(
    folder: RunFolder,
    spec: Spec,
    published: int,
    lines: Sequence[Mapping[str, Any]],
    last: Mapping[str, float],
    samples: int,
    report: Callable[[int], None],
) -> list[dict[str, float]]:
    """The metrics of `evaluation.brief` for every saved step up to `published`, whether published or not."""
    rows = []
    for step in (step for step in folder.steps() if step < published):
        metrics = evaluation.brief(checkpoint.load_model(folder.path, step), spec, samples=samples)
        rows.append({"step": step, "seconds": training_seconds(lines, step), **metrics})
        report(len(rows))
    if rows:
        rows.append(
            {
                "step": published,
                "seconds": training_seconds(lines),
                **{key: last[key] for key in rows[0] if key in last},
            }
        )
    return rows


def training_seconds(lines: Sequence[Mapping[str, Any]], until: int | None = None) -> float:
    """Training time up to a step, without pauses.

    A pause is a gap between logged points over one minute and over ten times the median gap: a slow run may log less
    than once per minute.
    """
    times = [(int(line["step"]), float(line["time"])) for line in lines if "time" in line]
    gaps = [(step, later - earlier) for (_, earlier), (step, later) in pairwise(times) if later >= earlier]
    if not gaps:
        return 0.0
    pause = max(_PAUSE, 10 * median(gap for _, gap in gaps))
    return round(sum(gap for step, gap in gaps if gap <= pause and (until is None or step <= until)), 1)


def thinned_curves(lines: Sequence[Mapping[str, Any]]) -> dict[str, list[list[float]]]:
    """Each metric as at most 200 points of [last step, mean] over equally many logged points."""
    series: dict[str, list[tuple[int, float]]] = {}
    for line in lines:
        for name, value in line.items():
            if name not in ("step", "time"):
                series.setdefault(name, []).append((int(line["step"]), float(value)))
    curves = {}
    for name, points in series.items():
        size = -(-len(points) // _CURVE_POINTS)
        groups = [points[i : i + size] for i in range(0, len(points), size)]
        curves[name] = [[group[-1][0], round(sum(v for _, v in group) / len(group), 6)] for group in groups]
    return curves
