"""Rows of the queue: the values of a new one, the row of a run that has none, and the end of a job."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass

import psutil

from genmodels import data
from genmodels.runs import catalog
from genmodels.runs.folder import RunFolder
from train_jobs.launchers import Process
from train_jobs.launchers.local import LocalLauncher
from train_jobs.spec import JobSpec
from train_jobs.status import Job, damage
from train_jobs.store import Kind, NewJob, Row, State, Store


@dataclass(frozen=True, kw_only=True)
class Task:
    """A job with an existing run or checkpoint that waits, runs or has ended. Times are seconds since 1970."""

    name: str
    state: State
    started: float | None
    finished: float | None
    error: str | None
    """Why it failed, or why it waits although no other one runs."""

    @property
    def active(self) -> bool:
        """Whether it waits or runs."""
        return self.state in ("PENDING", "RUNNING")

    @property
    def seconds(self) -> float:
        """The time since its start, or that it took."""
        return 0.0 if self.started is None else max(0.0, (self.finished or time.time()) - self.started)


def adopt(store: Store, run: Job) -> None:
    """Add the row of a run that has none, unless its folder is damaged."""
    if store.row(run.id) is not None or damage(run.folder):
        return
    running = None
    if run.pid is not None:
        with suppress(psutil.NoSuchProcess):
            running = (run.device or "cpu", *process_of(run))
    state: State = run.state if running or run.state != "RUNNING" else "STOPPED"
    new = new_job(run.folder, run.folder.spec(), run.created)
    store.adopt(run.id, new, state, run.error, running)


def new_job(folder: RunFolder, spec: JobSpec, created: float | None = None) -> NewJob:
    """The values of the row of a training."""
    return NewJob(
        name=spec.run.name,
        title=spec.title,
        recipe=spec.recipe or spec.family,
        model=spec.family,
        max_steps=spec.train.max_steps or 0,
        data_root=str(data.data_root().absolute()),
        requested_device=spec.run.device,
        created=created or time.time(),
        checkpoints_root=str(catalog.checkpoints_root().absolute()),
    )


def task_of(folder: RunFolder, name: str, kind: Kind, *, subject: str, step: int | None = None) -> NewJob:
    """The values of the row of a job with an existing run or checkpoint."""
    spec = folder.spec()
    return NewJob(
        name=name,
        title=spec.title,
        recipe=spec.recipe or spec.family,
        model=spec.family,
        max_steps=0,
        data_root=str(data.data_root().absolute()),
        requested_device="cpu",
        created=time.time(),
        checkpoints_root=str(catalog.checkpoints_root().absolute()),
        kind=kind,
        subject=subject,
        step=step,
    )


def cancel_task(store: Store, row: Row) -> None:
    """Cancel a job that is no training. Its process ends at once; the scheduler records it and removes its files."""
    if store.cancel(row.id) or not store.request_stop(row.id):
        return
    row = store.row(row.id) or row
    if row.pid is not None:
        LocalLauncher().stop(Process(row.pid, row.pid_created or 0.0), store.root / row.id)


def process_of(run: Job) -> Process:
    """The process of a running job. Raises psutil.NoSuchProcess if it has ended."""
    assert run.pid is not None
    return Process(run.pid, psutil.Process(run.pid).create_time())
