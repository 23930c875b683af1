"""Measure saved steps of checkpoints in the background: jobs of the queue, one at a time for all visitors.

A measurement takes 10 to 60 seconds of a core, in a process with low priority (`task_worker.py`). It goes on when
the page is left and when the web server ends. Its metrics are stored in the runs folder.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from genmodels.errors import CheckpointError, GenmodelsError
from genmodels.public import public_mode
from genmodels.runs import catalog
from genmodels.runs.folder import RunFolder
from train_jobs import daemon
from train_jobs.api import ensure_scheduler, refuse_in_public_mode
from train_jobs.errors import PublicModeError
from train_jobs.rows import Task, cancel_task, task_of
from train_jobs.store import Row, Store

MAX_WAITING = 16


@dataclass(frozen=True, kw_only=True)
class Measurement(Task):
    """A measurement of a saved step of the checkpoint `name`."""

    step: int
    position: int
    """Among the measurements of all visitors, 1 for the next; 0 if it does not wait."""


def start(name: str, step: int) -> None:
    """Queue the measurement of a saved step; nothing changes if it waits or runs already.

    Raises PublicModeError, UnknownNameError, CheckpointError if the step does not exist, GenmodelsError if too many
    wait, and QueueError.
    """
    from genmodels.service.inference import plain

    if public_mode():
        raise PublicModeError(
            "this server only shows: measuring takes up to a minute of its processor, so visitors cannot start it. "
            f"On a machine of your own, `python -m genmodels evaluate {shlex.quote(plain(name))}` measures it"
        )
    folder = RunFolder(catalog.find(plain(name)))
    if step not in folder.steps():
        raise CheckpointError(f"{name} has no checkpoint of step {step}; saved steps: {folder.steps()}")
    enter(name, step, folder)
    ensure_scheduler()


def enter(name: str, step: int, folder: RunFolder) -> None:
    """Queue the measurement unless it waits or runs; raises GenmodelsError if too many wait."""

    def check(rows: list[Row]) -> bool:
        if any((row.subject, row.step) == (name, step) and _goes_on(row) for row in rows):
            return False
        if sum(row.state == "PENDING" for row in rows) >= MAX_WAITING:
            raise GenmodelsError(f"{MAX_WAITING} measurements are waiting already; wait until some are done")
        return True

    Store().add_task(task_of(folder, name, "measure", subject=name, step=step), check)


def _goes_on(row: Row) -> bool:
    """Whether it waits or runs, and was not cancelled."""
    return row.state == "PENDING" or (row.state == "RUNNING" and not row.stop_requested)


def of(name: str) -> tuple[Measurement, ...]:
    """The measurements of a checkpoint in the order of the requests, without those that succeeded or were cancelled."""
    store = Store()
    rows = store.rows("PENDING", "RUNNING", "FAILED", kind="measure")
    waiting = [row.id for row in rows if row.state == "PENDING"]
    problem = daemon.problem(store.root) if waiting else None
    return tuple(
        Measurement(
            name=row.name,
            state=row.state,
            started=row.started,
            finished=row.finished,
            error=problem if row.state == "PENDING" else row.error,
            step=row.step or 0,
            position=waiting.index(row.id) + 1 if row.id in waiting else 0,
        )
        for row in rows
        if row.subject == name and not row.stop_requested
    )


def cancel(name: str) -> None:
    """Cancel all measurements of a checkpoint."""
    refuse_in_public_mode("cancelling a measurement")
    store = Store()
    for row in store.rows("PENDING", "RUNNING", kind="measure"):
        if row.subject == name:
            cancel_task(store, row)
    ensure_scheduler()


def forget(name: str) -> None:
    """Remove the failed measurements of a checkpoint."""
    refuse_in_public_mode("changing a measurement")
    store = Store()
    for row in store.rows("FAILED", kind="measure"):
        if row.subject == name:
            store.remove(row.id)
