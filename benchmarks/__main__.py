"""`make bench`: every measurement, one after the other. `python -m benchmarks training` runs one of them."""

from __future__ import annotations

import importlib
import sys

PARTS = ("training", "quality", "jobs", "interface")


def main() -> None:
    chosen = sys.argv[1:] or PARTS
    unknown = [part for part in chosen if part not in PARTS]
    if unknown:
        sys.exit(f"unknown benchmark {unknown}; there are {', '.join(PARTS)}")
    for part in chosen:
        print(f"== {part}", flush=True)
        importlib.import_module(f"benchmarks.{part}").main()


if __name__ == "__main__":
    main()
