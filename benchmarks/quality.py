"""Every published checkpoint, measured on its test data beside what its recipe expects."""

from __future__ import annotations

from genmodels import catalog
from genmodels.evaluation import evaluate, misses, range_text
from genmodels.runfolder import RunFolder


def main() -> None:
    print(f"{'checkpoint':20} {'figure':22} {'value':>10}   expected")
    for info in catalog.list_checkpoints():
        if not info.published:
            continue
        spec = RunFolder(info.path).spec()
        figures = evaluate(catalog.load(info.path), spec)
        for metric, bounds in spec.expect.items():
            value = figures[metric]
            verdict = "missed" if misses({metric: value}, {metric: bounds}) else "reached"
            print(f"{info.name:20} {metric:22} {value:10.4f}   {range_text(*bounds)}: {verdict}")


if __name__ == "__main__":
    main()
