"""How much an open page slows a training: steps per second with and without the Runs page open.

The browser's own work is not measured: its processes have the lowest priority.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from pathlib import Path

import psutil

import train_jobs
from benchmarks import options
from tests.support.browser import browsing, server_of, settle

SECONDS = 10.0
_UNTUNED = ("train.compile=off", "train.precision=fp32", "run.threads=1")


def steps_per_second(job_id: str, seconds: float) -> float:
    first = train_jobs.job(job_id)
    start = time.perf_counter()
    time.sleep(seconds)
    return (train_jobs.job(job_id).step - first.step) / (time.perf_counter() - start)


def lower_browser_priority() -> None:
    """Give Chromium's processes, children of this one, the lowest priority."""
    for child in psutil.Process().children(recursive=True):
        if "chrom" in child.name():
            child.nice(19)


def main() -> None:
    length = options.length(__doc__)
    seconds = 0.6 if length.short else SECONDS
    settings = ["train.max_steps=1000000", *(_UNTUNED if length.short else ())]
    with tempfile.TemporaryDirectory() as folder:
        os.environ["GENMODELS_RUNS"] = folder
        with (
            server_of({"GENMODELS_RUNS": folder}, Path(folder) / "server.log") as server,
            browsing(animated=not length.short) as browser,
        ):
            if not length.short:
                browser.open(f"{server.url}/runs").close()  # the server imports, Chromium reads scripts: not measured
            job = train_jobs.submit(train_jobs.make_spec("mnist_vae_20", None, settings, "digits"))
            alone, watched = [], []
            try:
                while train_jobs.job(job.id).phase != "training":
                    time.sleep(0.05)
                for _ in range(length.rounds):
                    alone.append(steps_per_second(job.id, seconds))
                    page = browser.open(f"{server.url}/runs?run={job.id}")
                    settle(page)
                    lower_browser_priority()
                    watched.append(steps_per_second(job.id, seconds))
                    page.close()
            finally:
                train_jobs.stop(job.id)
                while train_jobs.job(job.id).active:
                    time.sleep(0.05)
    loss = 100 * (1 - statistics.median(watched) / statistics.median(alone))
    rows = (("alone", alone), ("one page open", watched))
    for name, values in rows:
        print(f"{name:14} {statistics.median(values):8.1f} steps/s   ({', '.join(f'{v:.1f}' for v in values)})")
    print(f"an open page costs {loss:.1f} % (target: at most 5 %)")


if __name__ == "__main__":
    main()
