"""`make bench`: every measurement, one after the other. `python -m benchmarks training` runs one of them."""

from __future__ import annotations

import os
import subprocess
import sys

from train_jobs.launchers.local import KEEP_MEMORY

PARTS = (
    "training",
    "convolutions",
    "pixelcnn",
    "wavenet",
    "translation",
    "style",
    "tiny_judge",
    "sampling",
    "quality",
    "jobs",
    "interface",
    "manifold",
    "page_cost",
    "packing",
)


def main() -> None:
    chosen = sys.argv[1:] or PARTS
    unknown = [part for part in chosen if part not in PARTS]
    if unknown:
        sys.exit(f"unknown benchmark {unknown}; there are {', '.join(PARTS)}")
    for part in chosen:
        print(f"== {part}", flush=True)
        # A process each, with a worker's memory settings: what glibc is told has to be told before it starts.
        environment = {**KEEP_MEMORY, **os.environ}
        subprocess.run([sys.executable, "-m", f"benchmarks.{part}"], env=environment, check=True)


if __name__ == "__main__":
    main()
