"""The cost of a job before it trains: wall time of `submit`, resident memory of the scheduler.

python -m benchmarks.jobs
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from benchmarks import options
from train_jobs import daemon
from train_jobs.store import Store

PROJECT = Path(__file__).parents[1]
ROUNDS = 5
SUBMIT_SECONDS, SCHEDULER_MB = 0.5, 80.0


def submit_seconds(runs: Path, rounds: int) -> list[float]:
    """Wall times of `python -m train_jobs submit`."""
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "train_jobs", "submit", "pattern_1010_gan"],
            cwd=PROJECT,
            env={**os.environ, "GENMODELS_RUNS": str(runs)},
            stdout=subprocess.DEVNULL,
            check=True,
        )
        times.append(time.perf_counter() - began)
    return times


def scheduler_mb(runs: Path) -> float:
    """Resident memory of a running scheduler, in MB."""
    deadline = time.monotonic() + 10
    while not (pid := daemon.running_pid(runs)):
        if time.monotonic() > deadline:
            raise RuntimeError("no scheduler within 10 s")
        time.sleep(0.1)
    time.sleep(1.0)
    return float(psutil.Process(pid).memory_info().rss) / 1e6


def clean_up(runs: Path) -> None:
    store = Store(runs)
    daemon.end(runs)
    for row in store.rows("RUNNING"):
        if row.pid is not None and psutil.pid_exists(row.pid):
            psutil.Process(row.pid).kill()


def main() -> None:
    rounds = options.length(__doc__).of(ROUNDS)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        runs = Path(folder)
        try:
            times = submit_seconds(runs, rounds)
            memory = scheduler_mb(runs)
        finally:
            clean_up(runs)
    print("| measure | value | target |")
    print("|---|---|---|")
    print(f"| `submit`, median of {rounds} | {statistics.median(times):.2f} s | < {SUBMIT_SECONDS} s |")
    print(f"| `submit`, slowest | {max(times):.2f} s | |")
    print(f"| scheduler, resident memory | {memory:.0f} MB | < {SCHEDULER_MB:.0f} MB |")


if __name__ == "__main__":
    main()
