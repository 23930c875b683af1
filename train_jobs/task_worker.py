"""One measurement or publication in one process; exit codes: 0 done, 1 failed.

`python -m train_jobs.task_worker FOLDER measure NAME STEP` stores the metrics of a saved step of a checkpoint;
`python -m train_jobs.task_worker FOLDER publish RUN NAME` publishes a run. FOLDER receives the report, which names the
error of a failed one, and the log, to which the launcher redirects the output.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from genmodels.errors import GenmodelsError
from genmodels.runs import catalog
from genmodels.runs.folder import RunFolder
from genmodels.system.imports import without_collections
from genmodels.system.processes import leave
from train_jobs.worker import FAILED, FINISHED

_NICE = 10  # interactive requests go first
log = logging.getLogger("train_jobs.task_worker")


def execute(report: RunFolder, task: Callable[[], object]) -> int:
    """Call `task`, report how it ended and return the exit code."""
    try:
        task()
    except (GenmodelsError, OSError) as error:
        report.write_status(phase="failed", error=str(error))
        return FAILED
    except Exception as error:  # a bug: the traceback goes to the log, the message to the page
        log.exception("%s failed", report.path.name)
        report.write_status(phase="failed", error=f"{type(error).__name__}: {error}")
        return FAILED
    report.write_status(phase="finished")
    return FINISHED


def measure(name: str, step: int) -> None:
    """Measure a saved step of a checkpoint and store the metrics."""
    with without_collections():
        from genmodels import evaluation
        from genmodels.service.evaluate import SAMPLES, stored_metrics

    path = catalog.find(name)
    metrics = evaluation.evaluate(catalog.load(path, step), RunFolder(path).spec(), samples=SAMPLES)
    stored_metrics.store(path, step, metrics, SAMPLES)


def publish(report: RunFolder, run: Path, name: str) -> None:
    """Publish a run and report the fraction that is done."""
    with without_collections():
        from genmodels.publishing.publish import publish as publish_run

    publish_run(run, name, report=lambda done, total: report.write_status(phase="publishing", fraction=done / total))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m train_jobs.task_worker")
    parser.add_argument("folder", type=Path)
    kinds = parser.add_subparsers(dest="kind", required=True)
    measuring = kinds.add_parser("measure")
    measuring.add_argument("name")
    measuring.add_argument("step", type=int)
    publishing = kinds.add_parser("publish")
    publishing.add_argument("run", type=Path)
    publishing.add_argument("name")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stdout)
    os.nice(_NICE)
    report = RunFolder(arguments.folder)
    if arguments.kind == "measure":
        return execute(report, partial(measure, arguments.name, arguments.step))
    return execute(report, partial(publish, report, arguments.run, arguments.name))


if __name__ == "__main__":
    leave(main())
