"""One measurement in one process: `python -m train_jobs.measure_worker FOLDER NAME STEP`. Exit codes: 0 done, 1 failed.

The result is stored by `genmodels/service/evaluate/stored_metrics.py`. FOLDER receives the report, which names the
error of a failed measurement, and the log, to which the launcher redirects the output.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path

from genmodels.errors import GenmodelsError
from genmodels.runs import catalog
from genmodels.runs.folder import RunFolder
from genmodels.system.processes import leave
from train_jobs.worker import FAILED, FINISHED

_NICE = 10  # interactive requests and trainings go first
log = logging.getLogger("train_jobs.measure_worker")


def execute(folder: Path, name: str, step: int) -> int:
    """Measure a saved step of a checkpoint, store the metrics and return the exit code."""
    report = RunFolder(folder)
    try:
        _measure(name, step)
    except (GenmodelsError, OSError) as error:
        report.write_status(phase="failed", error=str(error))
        return FAILED
    except Exception as error:  # a bug: the traceback goes to the log, the message to the page
        log.exception("measuring %s, step %s, failed", name, step)
        report.write_status(phase="failed", error=f"{type(error).__name__}: {error}")
        return FAILED
    report.write_status(phase="finished")
    return FINISHED


def _measure(name: str, step: int) -> None:
    from genmodels import evaluation
    from genmodels.service.evaluate import SAMPLES, stored_metrics

    path = catalog.find(name)
    metrics = evaluation.evaluate(catalog.load(path, step), RunFolder(path).spec(), samples=SAMPLES)
    stored_metrics.store(path, step, metrics, SAMPLES)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m train_jobs.measure_worker")
    parser.add_argument("folder", type=Path)
    parser.add_argument("name")
    parser.add_argument("step", type=int)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stdout)
    os.nice(_NICE)
    return execute(arguments.folder, arguments.name, arguments.step)


if __name__ == "__main__":
    leave(main())
