"""The functions that pages and the command line call. They are thread-safe and import no torch."""

from __future__ import annotations

import logging
import shlex
from pathlib import Path
from typing import Any

from genmodels import data
from genmodels.public import public_mode
from genmodels.system import leftovers
from train_jobs import daemon, removal
from train_jobs.errors import JobError, PublicModeError, QueueError, writing_to
from train_jobs.launchers import Process
from train_jobs.launchers.local import LocalLauncher
from train_jobs.rows import adopt, process_of
from train_jobs.spec import checked_name
from train_jobs.status import INCOMPLETE, Job, all_jobs, one_job
from train_jobs.store import Store

__all__ = [
    "Job",
    "delete",
    "ensure_scheduler",
    "get_data",
    "job",
    "jobs",
    "public_mode",
    "publish",
    "rename",
    "request",
    "stop",
    "watch_scheduler",
]

log = logging.getLogger(__name__)
_reported = ""


def refuse_in_public_mode(what: str) -> None:
    """Raise PublicModeError on a public server."""
    if public_mode():
        raise PublicModeError(
            f"{what} is switched off: training and deletion are switched off on this public server "
            "(GENMODELS_PUBLIC is set). Run Genmodels Studio on your own machine to train"
        )


def ensure_scheduler() -> None:
    """Start the scheduler if there are queued or running jobs and no scheduler. A public server never starts one."""
    store = Store()
    if not public_mode() and store.rows("PENDING", "RUNNING"):
        daemon.ensure(store.root)


def watch_scheduler() -> None:
    """`ensure_scheduler`, to be called repeatedly: an error is logged once, and queued jobs report it."""
    global _reported
    try:
        ensure_scheduler()
        _reported = ""
    except QueueError as error:
        if str(error) != _reported:
            log.warning("%s", error)
        _reported = str(error)


def jobs() -> tuple[Job, ...]:
    """Every run in GENMODELS_RUNS, the newest first. Starts no process."""
    store = Store()
    if not public_mode():
        leftovers.sweep(store.root, *INCOMPLETE)
    return all_jobs(store)


def job(job_id: str) -> Job:
    """One run by its id. Starts no process. Raises UnknownNameError."""
    return one_job(Store(), job_id)


def run_to_change(job_id: str) -> Job:
    """One run by its id, after a scheduler that has died is replaced: it records runs that have ended meanwhile."""
    watch_scheduler()
    return job(job_id)


def stop(job_id: str) -> Job:
    """Request a running job to save and end, or remove a queued one from the queue. Returns at once."""
    refuse_in_public_mode("stopping a training")
    job(job_id)  # raises UnknownNameError
    store = Store()
    try:
        if store.cancel(job_id):
            return job(job_id)
        if store.request_stop(job_id):
            return run_to_change(job_id)
    except QueueError:
        # Stopping must work on a full disk: the training may be what fills it.
        run = job(job_id)
        if run.state == "RUNNING" and run.pid is not None:
            LocalLauncher().stop(Process(run.pid, 0.0), run.folder.path)
            return run
        if run.active:
            raise
    run = job(job_id)
    if run.state == "RUNNING" and run.pid is not None:  # the queue took it for ended, or has no row for it
        adopt(store, run)
        store.reclaim(job_id, run.device or "cpu", *process_of(run))
        store.request_stop(job_id)
        return run_to_change(job_id)
    ended = {"SUCCEEDED": "has finished", "STOPPED": "was stopped", "FAILED": "has failed"}.get(run.state)
    if ended is None:
        raise JobError(f"{job_id} changed while it was being stopped; look at it again")
    raise JobError(f"{job_id} is not running: it {ended} at step {run.step:,}; there is nothing to stop")


def request(job_id: str, action: str, **values: Any) -> None:
    """Request a training job to `save`, `sample` or `set` a live field (path="model.lr", value=...).

    Raises JobError until it trains: a starting worker ignores requests that are already in the file.
    """
    refuse_in_public_mode("changing a training's settings")
    run = run_to_change(job_id)
    if run.state != "RUNNING":
        raise JobError(f"{job_id} is not running ({run.state}); only a running training can {action}")
    if run.phase != "training":
        advice = {"stopping": "resume it afterwards", "not responding": "wait, or stop it", "lost": "resume it"}
        raise JobError(
            f"{job_id} cannot {action} now: it is {run.phase}, not training; "
            + advice.get(run.phase or "", "wait until it trains")
        )
    with writing_to(run.folder.path):
        run.folder.request(action, **values)


def get_data(name: str) -> str:
    """Download a data set and return its path; raises DataError."""
    refuse_in_public_mode("downloading data")
    return data.download(name)


def publish(job_id: str, name: str) -> Path:
    """Publish a run as `checkpoints/<name>/`, with metrics and model card. Imports torch, takes up to a minute."""
    refuse_in_public_mode("publishing")
    from genmodels.publishing.publish import publish as publish_run

    return publish_run(job(job_id).folder.path, name)


def delete(job_id: str) -> None:
    """Delete a run with its folder; raises JobError while it is running."""
    refuse_in_public_mode("deleting a run")
    run = run_to_change(job_id)
    store = Store()
    refusal = f"{job_id} is running; stop it first (`python -m train_jobs stop {shlex.quote(job_id)}`), then delete it"
    if run.state == "RUNNING":
        raise JobError(refusal)
    with writing_to(store.root):
        if not removal.remove(store, run.folder.path):
            raise JobError(refusal)


def rename(job_id: str, name: str) -> Job:
    """Give a run another name; its id and folder stay."""
    refuse_in_public_mode("renaming a run")
    name = checked_name(name)
    store = Store()
    run = run_to_change(job_id)
    adopt(store, run)
    with writing_to(store.root):
        run.folder.set_given_name(name)
    store.rename(job_id, name)
    return job(job_id)
