"""`make bench`: run all parts in turn. `python -m benchmarks training` runs one part; `--short` shortens them."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from train_jobs.launchers.local import KEEP_MEMORY

PARTS = (
    "training",
    "convolutions",
    "kernels",
    "pixelcnn",
    "wavenet",
    "translation",
    "style",
    "style_distance",
    "tiny_judge",
    "sampling",
    "quality",
    "jobs",
    "interface",
    "manifold",
    "page_cost",
    "contention",
    "gradio",
    "packing",
    "decoding",
    "gpu",
)


def main() -> None:
    flags = [word for word in sys.argv[1:] if word == "--short"]
    parts = [word for word in sys.argv[1:] if word != "--short"] or list(PARTS)
    unknown = [part for part in parts if part not in PARTS]
    if unknown:
        sys.exit(f"unknown benchmark {unknown}; choose from {', '.join(PARTS)}")
    failed = []
    for part in parts:
        print(f"== {part}", flush=True)
        began = time.monotonic()
        # One process per part, with the memory settings of a worker, which glibc reads at its start.
        environment = {**KEEP_MEMORY, **os.environ}
        done = subprocess.run([sys.executable, "-m", f"benchmarks.{part}", *flags], env=environment)
        print(f"== {part}: {time.monotonic() - began:.0f} s\n", flush=True)
        if done.returncode:
            failed.append(part)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}; the others succeeded")


if __name__ == "__main__":
    main()
