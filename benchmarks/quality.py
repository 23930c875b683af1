"""Metrics of every published checkpoint on its test data, with the ranges that its recipe expects.

A checkpoint whose test data is not on this machine is named and skipped. Autoregressive models (PixelCNN, WaveNet) need
hours for 10,000 samples: their sample metrics are in the model cards, and only their likelihoods are measured here.
"""

from __future__ import annotations

import time

from benchmarks import options
from genmodels import data
from genmodels.capabilities import SupportsLikelihood
from genmodels.evaluation import brief, evaluate, misses, range_text
from genmodels.evaluation.metric_table import name_of, value_of
from genmodels.publishing.expected import expectation_of
from genmodels.runs import catalog
from genmodels.runs.folder import RunFolder

_SHORT = ("pattern_1010_gan",)  # needs no data, and 10,000 of its samples take no time


def main() -> None:
    length = options.length(__doc__)
    print(f"{'checkpoint':26} {'figure':28} {'value':>18}   expected")
    for info in catalog.list_checkpoints():
        if not info.published or (length.short and info.name not in _SHORT):
            continue
        spec = RunFolder(info.path).spec()
        if data.missing(spec.data) is not None:
            print(f"{info.name:26} not measured: its data set {spec.data.name} is not in GENMODELS_DATA", flush=True)
            continue
        model = catalog.load(info.path)
        began = time.monotonic()
        figures = (brief if isinstance(model, SupportsLikelihood) else evaluate)(model, spec)
        expectation = expectation_of(spec, info.steps[-1])
        for metric, bounds in expectation.bounds.items():
            if metric not in figures:
                print(f"{info.name:26} {name_of(metric):28} {'in its card':>18}   {range_text(*bounds)}")
                continue
            verdict = "missed" if misses(figures, {metric: bounds}) else "reached"
            whose = ", the recipe's for other settings" if expectation.differences else ""
            value = value_of(figures, metric)
            print(f"{info.name:26} {name_of(metric):28} {value:>18}   {range_text(*bounds)}{whose}: {verdict}")
        print(f"{'':26} {time.monotonic() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main()
