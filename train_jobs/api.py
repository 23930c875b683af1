"""What pages and the command line do with jobs. Any thread may call these functions; none imports torch."""

from __future__ import annotations

import shlex
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from genmodels import catalog, data, leftovers
from genmodels.errors import CheckpointError
from genmodels.public import public_mode
from genmodels.runfolder import RunFolder
from train_jobs import devices, removal, scheduler
from train_jobs.errors import JobError, PublicModeError, QueueError
from train_jobs.launchers import Process
from train_jobs.launchers.local import LocalLauncher
from train_jobs.spec import JobSpec, checked_name, make_spec
from train_jobs.store import NewJob, State, Store
from train_jobs.views import HALF_MADE, Job, damage, ensure_scheduler, folders, job, jobs, of_folder

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
]


def refuse_in_public_mode(what: str) -> None:
    if public_mode():
        raise PublicModeError(
            f"{what} is switched off: training and deletion are switched off on this public server "
            "(GENMODELS_PUBLIC is set). Run Genmodels Studio on your own machine to train"
        )


def submit(spec: JobSpec) -> Job:
    """Queue a job and see to it that a scheduler runs. Raises ConfigError, QueueError or PublicModeError."""
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
    """Queue a painting of `content` like `style`, both the bytes of picture files, which only the run keeps.

    `assignments` are as in `make_spec`, for example "data.size=256". Raises DataError naming the picture at fault, and
    what `submit` raises.
    """
    refuse_in_public_mode("starting a training")
    try:
        with tempfile.TemporaryDirectory(prefix="genmodels-", ignore_cleanup_errors=True) as folder:
            paths = {"path": Path(folder, "content"), "path_b": Path(folder, "style")}
            for path, raw in zip(paths.values(), (content, style), strict=True):
                path.write_bytes(raw)
            given = [f"data.{field}={path}" for field, path in paths.items()]
            return submit(make_spec(recipe, preset, [*assignments, *given], "style_pair", name=name))
    except OSError as error:
        raise JobError(
            f"the two images could not be written to a temporary folder: {error}. Free some space there, or set TMPDIR"
        ) from error


def enter(spec: JobSpec, running: tuple[str, int, float] | None = None) -> str:
    """The run folder and its row, both or none; returns the id."""
    store = Store()
    with _disk(store.root):
        store.root.mkdir(parents=True, exist_ok=True)
        leftovers.sweep(store.root, *HALF_MADE)
        with leftovers.at_work(store.root):
            prepared = store.root / f".new-{uuid.uuid4().hex}"
            try:
                folder = RunFolder.create(prepared, spec)
                return store.add(_new_job(folder, spec), prepared, running=running)
            finally:
                leftovers.discard(prepared)


def stop(job_id: str) -> Job:
    """Ask a running job to save and end, or take a waiting one from the queue. Returns at once."""
    refuse_in_public_mode("stopping a training")
    store = Store()
    try:
        if store.cancel(job_id) or store.request_stop(job_id):
            return job(job_id)
    except QueueError:
        # A full disk must not keep a training from being stopped: it may be the one that fills it.
        found = job(job_id)
        if found.state == "RUNNING" and found.pid is not None:
            LocalLauncher().stop(Process(found.pid, 0.0), found.folder.path)
            return found
        if found.active:
            raise
    found = job(job_id)
    if found.state == "RUNNING" and found.pid is not None:  # the queue had given it up, or never knew it
        _adopt(store, found)
        store.reclaim(job_id, found.device or "cpu", *_process_of(found))
        store.request_stop(job_id)
        return job(job_id)
    ended = {"SUCCEEDED": "has finished", "STOPPED": "was stopped", "FAILED": "has failed"}.get(found.state)
    if ended is None:
        raise JobError(f"{job_id} changed while it was being stopped; look at it again")
    raise JobError(f"{job_id} is not running: it {ended} at step {found.step:,}; there is nothing to stop")


def request(job_id: str, action: str, **values: Any) -> None:
    """Ask a training job to `save`, `sample` or `set` a live field (path="model.lr", value=...).

    Refused until it trains: a starting worker reads requests from where the file ends when it begins.
    """
    refuse_in_public_mode("steering a training")
    found = job(job_id)
    if found.state != "RUNNING":
        raise JobError(f"{job_id} is not running ({found.state}); only a running training can be asked to {action}")
    if found.phase != "training":
        advice = {"stopping": "resume it afterwards", "not responding": "wait, or stop it", "lost": "resume it"}
        raise JobError(
            f"{job_id} cannot be asked to {action} now: it is {found.phase}, not training; "
            + advice.get(found.phase or "", "wait until it trains")
        )
    with _disk(found.folder.path):
        found.folder.request(action, **values)


def get_data(name: str) -> str:
    """Download a data set, which takes as long as the network does; returns where it lies. Raises DataError."""
    refuse_in_public_mode("downloading data")
    return data.download(name)


def publish(job_id: str, name: str) -> Path:
    """Publish a run as `checkpoints/<name>/`, measured and with its card. Imports torch, takes up to a minute."""
    refuse_in_public_mode("publishing")
    from genmodels.publishing.publish import publish as publish_run

    return publish_run(job(job_id).folder.path, name)


def resume(job_id: str) -> Job:
    """Queue a stopped or failed job again; it goes on from its last checkpoint."""
    refuse_in_public_mode("resuming a training")
    found = job(job_id)
    if found.active:
        raise JobError(f"{job_id} is {found.state}; there is nothing to resume. Stop it first, or wait for it")
    if found.state == "SUCCEEDED":
        raise JobError(
            f"{job_id} has finished, at step {found.step:,} of {found.max_steps:,}; "
            "for a longer training submit it again with a larger --set train.max_steps"
        )
    problem = damage(found.folder)
    if problem:
        raise CheckpointError(f"{job_id} cannot be resumed: {problem}")
    if not found.folder.resumable():
        raise CheckpointError(
            f"{job_id} cannot be resumed: its last checkpoint, step {found.folder.steps()[-1]:,}, was saved without "
            "the state that training needs (a published or trimmed copy). Submit its recipe again instead"
        )
    store = Store()
    spec = found.folder.spec()
    devices.check(spec.run.device)
    _adopt(store, found)
    row = store.row(job_id)
    # Where the data was when it was submitted, unless this process can see it, too.
    here = str(data.data_root().absolute())
    root = here if row is None or data.missing(spec.data) is None else row.data_root
    # A checkpoint to begin with is taken from the submitter's folder as long as that is there.
    submitted = row.checkpoints_root if row is not None else None
    checkpoints = submitted if submitted and Path(submitted).is_dir() else str(catalog.checkpoints_root().absolute())
    if not store.requeue(job_id, root, checkpoints):
        raise JobError(f"{job_id} changed while it was being resumed; look at it again")
    ensure_scheduler()
    return job(job_id)


def delete(job_id: str) -> None:
    """Remove a run with its folder; refused while it is running."""
    refuse_in_public_mode("deleting a run")
    found = job(job_id)
    store = Store()
    refusal = f"{job_id} is running; stop it first (`python -m train_jobs stop {shlex.quote(job_id)}`), then delete it"
    if found.state == "RUNNING":
        raise JobError(refusal)
    with _disk(store.root):
        if not removal.remove(store, found.folder.path):
            raise JobError(refusal)


def rename(job_id: str, name: str) -> Job:
    """Give a run another name; its id and folder stay."""
    refuse_in_public_mode("renaming a run")
    name = checked_name(name)
    store = Store()
    found = job(job_id)
    _adopt(store, found)
    with _disk(store.root):
        found.folder.set_given_name(name)
    store.rename(job_id, name)
    return job(job_id)


def repair() -> Path:
    """Make a new queue from the run folders; returns where the damaged file was moved. Running workers are kept."""
    refuse_in_public_mode("repairing the queue")
    store = Store()
    if store.damage() is None:
        raise JobError(f"{store.path} is in order; there is nothing to repair")
    scheduler.end(store.root)
    moved = store.move_away()
    for found in sorted(map(of_folder, folders(store.root)), key=lambda run: run.created):
        _adopt(store, found)
    ensure_scheduler()
    return moved


def _adopt(store: Store, found: Job) -> None:
    if store.row(found.id) is not None or damage(found.folder):
        return
    running = None
    if found.pid is not None:
        with suppress(psutil.NoSuchProcess):
            running = (found.device or "cpu", *_process_of(found))
    state: State = found.state if running or found.state != "RUNNING" else "STOPPED"
    new = _new_job(found.folder, found.folder.spec(), found.created)
    store.adopt(found.id, new, state, found.error, running)


def _new_job(folder: RunFolder, spec: JobSpec, created: float | None = None) -> NewJob:
    return NewJob(
        name=spec.run.name,
        title=spec.title,
        recipe=spec.recipe or spec.model,
        model=spec.model,
        max_steps=spec.train.max_steps or 0,
        data_root=str(data.data_root().absolute()),
        wanted=spec.run.device,
        created=created or time.time(),
        checkpoints_root=str(catalog.checkpoints_root().absolute()),
    )


def _process_of(found: Job) -> Process:
    assert found.pid is not None
    return Process(found.pid, psutil.Process(found.pid).create_time())


@contextmanager
def _disk(root: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise QueueError(
            f"{root} cannot be written: {error.strerror or error}. Free some space, make it writable, or set "
            "GENMODELS_RUNS to another folder; existing runs are untouched"
        ) from error
