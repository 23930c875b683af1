"""Every published checkpoint, measured on its test data beside what its recipe expects."""

from __future__ import annotations

from genmodels import catalog
from genmodels.evaluation import evaluate, misses, range_text
from genmodels.evaluation.names import name_of, value_of
from genmodels.promise import promise_of
from genmodels.runfolder import RunFolder


def main() -> None:
    print(f"{'checkpoint':26} {'figure':28} {'value':>18}   expected")
    for info in catalog.list_checkpoints():
        if not info.published:
            continue
        spec = RunFolder(info.path).spec()
        figures = evaluate(catalog.load(info.path), spec)
        promise = promise_of(spec, info.steps[-1])
        for metric, bounds in promise.expect.items():
            verdict = "missed" if misses(figures, {metric: bounds}) else "reached"
            whose = ", the recipe's for other settings" if promise.differences else ""
            value = value_of(figures, metric)
            print(f"{info.name:26} {name_of(metric):28} {value:>18}   {range_text(*bounds)}{whose}: {verdict}")


if __name__ == "__main__":
    main()
