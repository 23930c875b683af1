"""One training in one process: `python -m train_jobs.worker FOLDER`. Exit codes: 0 finished, 3 stopped, 1 failed.

The launcher redirects its output to the run's worker.log.
"""

from __future__ import annotations

import argparse
import fcntl
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from genmodels.system.imports import without_collections
from genmodels.system.processes import leave

FINISHED, FAILED, STOPPED = 0, 1, 3
_NICE = 10  # pages have to respond while a training uses every core
log = logging.getLogger("train_jobs.worker")


def catch_signals() -> threading.Event:
    """An event that SIGTERM, SIGINT and SIGHUP set: save, then end. A second SIGTERM or SIGINT ends the process.

    A closed terminal sends SIGHUP more than once, so further ones are ignored, and so is the first under nohup.
    """
    stop = threading.Event()

    def handle(number: int, _frame: object) -> None:
        stop.set()
        if number == signal.SIGHUP:
            signal.signal(number, signal.SIG_IGN)
        else:
            signal.signal(number, signal.SIG_DFL if number == signal.SIGTERM else signal.default_int_handler)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, handle)
    return stop


def execute(
    folder: Path, device: str, stop: threading.Event, on_report: Callable[[dict[str, Any]], None] | None = None
) -> int:
    """Train the run in `folder` and return the exit code; failures are written to status.json and the log."""
    from genmodels.errors import GenmodelsError
    from genmodels.runs.folder import RunFolder

    run = RunFolder(folder)
    try:
        with _sole_worker(folder):
            with without_collections():
                import torch._dynamo  # noqa: F401 - torch's first optimizer imports it, even if nothing is compiled

                from genmodels.training.runner import train_folder
            outcome = train_folder(run, device=device, stop=stop, on_report=on_report)
    except GenmodelsError as error:
        log.error("error: %s", error)
        _report_failure(run, str(error))
        return FAILED
    except Exception as error:  # a bug: the traceback goes to the log, the message to the page
        log.exception("error: %s", error)
        _report_failure(run, f"{type(error).__name__}: {error} (the traceback is in the run's log)")
        return FAILED
    log.info("%s at step %s", outcome, f"{run.status().get('step', 0):,}")
    return FINISHED if outcome == "finished" else STOPPED


@contextmanager
def _sole_worker(folder: Path) -> Iterator[None]:
    """Lock the run folder; raises CheckpointError if another process trains it."""
    from genmodels.errors import CheckpointError

    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CheckpointError(f"{folder} is being trained by another process; stop that one first") from None
        yield
    finally:
        os.close(handle)


def _report_failure(run: Any, text: str) -> None:
    status = run.status()
    if status.get("phase") == "failed" and status.get("pid") == os.getpid():
        return  # train_folder has reported it
    previous = {key: status[key] for key in ("step", "max_steps", "device") if key in status}
    try:
        run.write_status(**previous, phase="failed", error=text)
    except OSError as error:
        log.error("status.json could not be written: %s", error)


def main() -> int:
    stop = catch_signals()  # before slow imports, so that a stop in the first seconds works
    parser = argparse.ArgumentParser(prog="python -m train_jobs.worker")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--device", default="auto")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stdout)
    os.nice(_NICE)
    log.info("worker %d trains %s on %s", os.getpid(), arguments.folder.name, arguments.device)
    return execute(arguments.folder, arguments.device, stop)


if __name__ == "__main__":
    leave(main())
