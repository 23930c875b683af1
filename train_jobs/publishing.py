"""Publish runs in the background: jobs of the queue, one at a time.

A publication goes on when the page is left and when the web server ends, and can be cancelled: its process ends at once
and leaves no files. Its result stays until the next publication of the same run, for a page that is opened later.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from genmodels.errors import ConfigError
from genmodels.runs import catalog
from genmodels.runs.folder import RunFolder
from train_jobs import daemon
from train_jobs.api import ensure_scheduler, job, refuse_in_public_mode
from train_jobs.errors import JobError
from train_jobs.rows import Task, cancel_task, task_of
from train_jobs.store import Row, Store


@dataclass(frozen=True, kw_only=True)
class Publication(Task):
    """The last publication of a run; STOPPED means that it was cancelled."""

    job_id: str
    path: Path
    """The published checkpoint."""
    fraction: float


def start(job_id: str, name: str) -> Publication:
    """Start to publish a run as `checkpoints/<name>/`. Raises PublicModeError, ConfigError, JobError, QueueError."""
    refuse_in_public_mode("publishing")
    folder = job(job_id).folder
    enter(job_id, name, folder)
    ensure_scheduler()
    publication = of(job_id)
    assert publication is not None
    return publication


def enter(job_id: str, name: str, folder: RunFolder) -> None:
    """Queue the publication. Raises ConfigError if the name is taken, and JobError if the run is being published."""
    taken = catalog.existing_path(name)
    if taken is not None:
        raise ConfigError(f"name = {name!r} is taken by {taken.name} in {taken.parent.name}/. Choose another name")

    def check(rows: list[Row]) -> bool:
        active = [row for row in rows if row.state in ("PENDING", "RUNNING")]
        if any(row.subject == job_id for row in active):
            raise JobError(f"{job_id} is being published already; wait for it, or cancel it")
        # Its folder does not exist yet; a second publication would replace the first.
        if any(row.name == name for row in active):
            raise ConfigError(f"name = {name!r} is taken: another run is being published under it. Choose another name")
        return True

    Store().add_task(task_of(folder, name, "publish", subject=job_id), check)


def of(job_id: str) -> Publication | None:
    """The last publication of a run, or None."""
    store = Store()
    row = _row(store, job_id)
    if row is None:
        return None
    fraction = 1.0 if row.state == "SUCCEEDED" else RunFolder(store.root / row.id).status().get("fraction")
    return Publication(
        name=row.name,
        state=row.state,
        started=row.started,
        finished=row.finished,
        error=daemon.problem(store.root) if row.state == "PENDING" else row.error,
        job_id=job_id,
        path=Path(row.checkpoints_root or catalog.checkpoints_root()) / row.name,
        fraction=min(1.0, max(0.0, float(fraction))) if isinstance(fraction, int | float) else 0.0,
    )


def cancel(job_id: str) -> None:
    """Cancel a waiting or running publication; none of its files remain."""
    refuse_in_public_mode("cancelling a publication")
    store = Store()
    row = _row(store, job_id)
    if row is not None:
        cancel_task(store, row)
    ensure_scheduler()


def forget(job_id: str) -> None:
    """Remove the result of a publication that has ended."""
    refuse_in_public_mode("changing a publication")
    store = Store()
    row = _row(store, job_id)
    if row is not None and row.state not in ("PENDING", "RUNNING"):
        store.remove(row.id)


def _row(store: Store, job_id: str) -> Row | None:
    return next((row for row in reversed(store.rows(kind="publish")) if row.subject == job_id), None)
