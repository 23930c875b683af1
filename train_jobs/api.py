"""The functions that pages and the command line call. They are thread-safe and import no torch."""

from __future__ import annotations

import logging
import shlex
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from genmodels import data
from genmodels.errors import CheckpointError
from genmodels.public import public_mode
from genmodels.runs import catalog
from genmodels.runs.folder import RunFolder
from genmodels.system import leftovers
from train_jobs import daemon, devices, removal
from train_jobs.errors import JobError, PublicModeError, QueueError
from train_jobs.launchers import Process
from train_jobs.launchers.local import LocalLauncher
from train_jobs.spec import JobSpec, checked_name, make_spec
from train_jobs.status import INCOMPLETE, Job, all_jobs, damage, folders, of_folder, one_job
from train_jobs.store import NewJob, State, Store

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
    "repair",
    "request",
    "resume",
    "stop",
    "submit",
    "submit_pair",
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


def _run_to_change(job_id: str) -> Job:
    """One run by its id, after a scheduler that has died is replaced: it records runs that have ended meanwhile."""
    watch_scheduler()
    return job(job_id)


def submit(spec: JobSpec) -> Job:
    """Queue a job and start the scheduler if none runs. Raises ConfigError, QueueError or PublicModeError."""
    refuse_in_public_mode("starting a training")
    devices.check(spec.run.device)
    job_id = enter(spec)
    ensure_scheduler()
    return job(job_id)


def submit_pair(
    content: bytes,
    style: bytes,
    *,
    recipe: str = "style_transfer",
    preset: str | None = None,
    assignments: Sequence[str] = (),
    name: str | None = None,
) -> Job:
    """Queue a style transfer of two image files, `content` and `style`, which only the run folder stores.

    `assignments` are as in `make_spec`, for example "data.size=256". Raises DataError naming the damaged image, and
    what `submit` raises.
    """
    refuse_in_public_mode("starting a training")
    try:
        with tempfile.TemporaryDirectory(prefix="genmodels-", ignore_cleanup_errors=True) as folder:
            paths = {"path": Path(folder, "content"), "path_b": Path(folder, "style")}
            for path, raw in zip(paths.values(), (content, style), strict=True):
                path.write_bytes(raw)
            files = [f"data.{field}={path}" for field, path in paths.items()]
            return submit(make_spec(recipe, preset, [*assignments, *files], "style_pair", name=name))
    except OSError as error:
        raise JobError(
            f"the two images could not be written to a temporary folder: {error}. Free some space there, or set TMPDIR"
        ) from error


def enter(spec: JobSpec, running: tuple[str, int, float] | None = None) -> str:
    """Create the run folder and its row, both or neither; returns the id."""
    store = Store()
    with _disk(store.root):
        store.root.mkdir(parents=True, exist_ok=True)
        leftovers.sweep(store.root, *INCOMPLETE)
        with leftovers.at_work(store.root):
            prepared = store.root / f".new-{uuid.uuid4().hex}"
            try:
                folder = RunFolder.create(prepared, spec)
                return store.add(_new_job(folder, spec), prepared, running=running)
            finally:
                leftovers.discard(prepared)


def stop(job_id: str) -> Job:
    """Request a running job to save and end, or remove a queued one from the queue. Returns at once."""
    refuse_in_public_mode("stopping a training")
    store = Store()
    try:
        if store.cancel(job_id):
            return job(job_id)
        if store.request_stop(job_id):
            return _run_to_change(job_id)
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
        _adopt(store, run)
        store.reclaim(job_id, run.device or "cpu", *_process_of(run))
        store.request_stop(job_id)
        return _run_to_change(job_id)
    ended = {"SUCCEEDED": "has finished", "STOPPED": "was stopped", "FAILED": "has failed"}.get(run.state)
    if ended is None:
        raise JobError(f"{job_id} changed while it was being stopped; look at it again")
    raise JobError(f"{job_id} is not running: it {ended} at step {run.step:,}; there is nothing to stop")


def request(job_id: str, action: str, **values: Any) -> None:
    """Request a training job to `save`, `sample` or `set` a live field (path="model.lr", value=...).

    Raises JobError until it trains: a starting worker ignores requests that are already in the file.
    """
    refuse_in_public_mode("changing a training's settings")
    run = _run_to_change(job_id)
    if run.state != "RUNNING":
        raise JobError(f"{job_id} is not running ({run.state}); only a running training can {action}")
    if run.phase != "training":
        advice = {"stopping": "resume it afterwards", "not responding": "wait, or stop it", "lost": "resume it"}
        raise JobError(
            f"{job_id} cannot {action} now: it is {run.phase}, not training; "
            + advice.get(run.phase or "", "wait until it trains")
        )
    with _disk(run.folder.path):
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


def resume(job_id: str) -> Job:
    """Queue a stopped or failed job again; it goes on from its last checkpoint."""
    refuse_in_public_mode("resuming a training")
    run = _run_to_change(job_id)
    if run.active:
        raise JobError(f"{job_id} is {run.state}; there is nothing to resume. Stop it first, or wait for it")
    if run.state == "SUCCEEDED":
        raise JobError(
            f"{job_id} has finished, at step {run.step:,} of {run.max_steps:,}; "
            "for a longer training submit it again with a larger --set train.max_steps"
        )
    problem = damage(run.folder)
    if problem:
        raise CheckpointError(f"{job_id} cannot be resumed: {problem}")
    if not run.folder.resumable():
        raise CheckpointError(
            f"{job_id} cannot be resumed: its last checkpoint, step {run.folder.steps()[-1]:,}, was saved without "
            "the state that training needs (a published or trimmed copy). Submit its recipe again instead"
        )
    store = Store()
    spec = run.folder.spec()
    devices.check(spec.run.device)
    _adopt(store, run)
    row = store.row(job_id)
    # The data root of the submitter, unless this process finds the data itself.
    local_root = str(data.data_root().absolute())
    root = local_root if row is None or data.missing(spec.data) is None else row.data_root
    # Initial weights come from the submitter's checkpoints as long as that folder exists.
    submitted = row.checkpoints_root if row is not None else None
    checkpoints = submitted if submitted and Path(submitted).is_dir() else str(catalog.checkpoints_root().absolute())
    if not store.requeue(job_id, root, checkpoints):
        raise JobError(f"{job_id} changed while it was being resumed; look at it again")
    ensure_scheduler()
    return job(job_id)


def delete(job_id: str) -> None:
    """Delete a run with its folder; raises JobError while it is running."""
    refuse_in_public_mode("deleting a run")
    run = _run_to_change(job_id)
    store = Store()
    refusal = f"{job_id} is running; stop it first (`python -m train_jobs stop {shlex.quote(job_id)}`), then delete it"
    if run.state == "RUNNING":
        raise JobError(refusal)
    with _disk(store.root):
        if not removal.remove(store, run.folder.path):
            raise JobError(refusal)


def rename(job_id: str, name: str) -> Job:
    """Give a run another name; its id and folder stay."""
    refuse_in_public_mode("renaming a run")
    name = checked_name(name)
    store = Store()
    run = _run_to_change(job_id)
    _adopt(store, run)
    with _disk(store.root):
        run.folder.set_given_name(name)
    store.rename(job_id, name)
    return job(job_id)


def repair() -> Path:
    """Rebuild the queue from the run folders; returns the new path of the damaged file. Workers go on."""
    refuse_in_public_mode("repairing the queue")
    store = Store()
    if store.damage() is None:
        raise JobError(f"{store.path} is in order; there is nothing to repair")
    daemon.end(store.root)
    moved = store.move_away()
    for run in sorted(map(of_folder, folders(store.root)), key=lambda run: run.created):
        _adopt(store, run)
    ensure_scheduler()
    return moved


def _adopt(store: Store, run: Job) -> None:
    if store.row(run.id) is not None or damage(run.folder):
        return
    running = None
    if run.pid is not None:
        with suppress(psutil.NoSuchProcess):
            running = (run.device or "cpu", *_process_of(run))
    state: State = run.state if running or run.state != "RUNNING" else "STOPPED"
    new = _new_job(run.folder, run.folder.spec(), run.created)
    store.adopt(run.id, new, state, run.error, running)


def _new_job(folder: RunFolder, spec: JobSpec, created: float | None = None) -> NewJob:
    return NewJob(
        name=spec.run.name,
        title=spec.title,
        recipe=spec.recipe or spec.model,
        model=spec.model,
        max_steps=spec.train.max_steps or 0,
        data_root=str(data.data_root().absolute()),
        requested_device=spec.run.device,
        created=created or time.time(),
        checkpoints_root=str(catalog.checkpoints_root().absolute()),
    )


def _process_of(run: Job) -> Process:
    assert run.pid is not None
    return Process(run.pid, psutil.Process(run.pid).create_time())


@contextmanager
def _disk(root: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise QueueError(
            f"{root} cannot be written: {error.strerror or error}. Free some space, make it writable, or set "
            "GENMODELS_RUNS to another folder; existing runs are untouched"
        ) from error
