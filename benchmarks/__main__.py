"""`make bench`: every part, one after the other. `python -m benchmarks training` runs one; `--short` shortens all."""

from __future__ import annotations

import os
import subprocess
import sys
import time

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
    "contention",
    "packing",
    "decoding",
)


def main() -> None:
    length = [word for word in sys.argv[1:] if word == "--short"]
    chosen = [word for word in sys.argv[1:] if word != "--short"] or list(PARTS)
    unknown = [part for part in chosen if part not in PARTS]
    if unknown:
        sys.exit(f"unknown benchmark {unknown}; there are {', '.join(PARTS)}")
    failed = []
    for part in chosen:
        print(f"== {part}", flush=True)
        began = time.monotonic()
        # A process each, with a worker's memory settings: glibc reads them when it starts.
        environment = {**KEEP_MEMORY, **os.environ}
        done = subprocess.run([sys.executable, "-m", f"benchmarks.{part}", *length], env=environment)
        print(f"== {part}: {time.monotonic() - began:.0f} s\n", flush=True)
        if done.returncode:
            failed.append(part)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}; the others ran to their end")


if __name__ == "__main__":
    main()
