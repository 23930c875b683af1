"""What a run looks like from outside: one frozen Job from its row in the queue and its folder.

A folder without a row is a finished run that can be looked at, resumed, renamed and deleted. No torch.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from genmodels import registry
from genmodels.errors import CheckpointError, GenmodelsError, UnknownNameError
from genmodels.public import public_mode
from genmodels.runfolder import RunFolder
from train_jobs import scheduler
from train_jobs.errors import QueueError
from train_jobs.store import Row, State, Store

_FRESH = 10.0  # seconds: a report younger than this is a living worker's
_HUGE = 1e15  # what no step, time or speed reaches; nor do infinity and NaN, which JSON files may hold, too
_MAX_PID = 2**31


@dataclass(frozen=True)
class Job:
    """One run as it is now. Times are seconds since 1970; None where there is nothing to tell."""

    id: str
    name: str
    title: str
    state: State
    recipe: str
    model: str
    device: str | None
    pid: int | None
    step: int
    max_steps: int
    speed: float | None  # steps a second, while it runs
    seconds_left: float | None
    phase: str | None  # queued, starting, loading, tuning, training, stopping; else finished, stopped, failed
    error: str | None
    created: float
    started: float | None
    finished: float | None
    folder: RunFolder
    position: int | None  # in the queue, 1 is next
    device_note: str | None = None  # why `auto` took no GPU that seems to be here

    @property
    def active(self) -> bool:
        """Whether it runs or will run."""
        return self.state in ("PENDING", "RUNNING")


def ensure_scheduler() -> None:
    """Start the scheduler if jobs wait or run and none is there. A public server never starts one."""
    store = Store()
    if not public_mode() and store.rows("PENDING", "RUNNING"):
        scheduler.ensure(store.root)


def jobs() -> tuple[Job, ...]:
    """Every run in GENMODELS_RUNS, the newest first. Starts the scheduler where there is work for it."""
    store = Store()
    found_folders = {
        path.name: path for path in folders(store.root)
    }  # before the rows: a new job's row follows its folder
    rows = store.rows()
    ensure_scheduler()
    pending = [row.id for row in rows if row.state == "PENDING"]
    known = {row.id for row in rows}
    found = [_of_row(store, row, pending) for row in rows]
    found += [of_folder(path) for name, path in found_folders.items() if name not in known]
    return tuple(sorted(found, key=lambda job: (job.created, job.id), reverse=True))


def job(job_id: str) -> Job:
    """One run by its id; raises UnknownNameError."""
    store = Store()
    row = store.row(job_id)
    if row is not None:
        ensure_scheduler()
        return _of_row(store, row, [other.id for other in store.rows("PENDING")])
    for path in folders(store.root):
        if path.name == job_id:
            return of_folder(path)
    known = {*(row.id for row in store.rows()), *(path.name for path in folders(store.root))}
    raise UnknownNameError("run", job_id, known, "`python -m train_jobs list` lists them.")


def folders(root: Path) -> list[Path]:
    try:
        entries = sorted(root.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise QueueError(f"the runs folder {root} cannot be read: {error.strerror}. Set GENMODELS_RUNS") from error
    return [path for path in entries if not path.name.startswith(".") and RunFolder(path).looks_like_run()]


def _of_row(store: Store, row: Row, pending: list[str]) -> Job:
    folder = RunFolder(store.root / row.id)
    state, error = row.state, row.error
    status = folder.status()
    running = state == "RUNNING"
    if not running:
        problem = damage(folder, files=state != "PENDING")  # a waiting job's worker reports what it finds
        if problem:
            state, error = "FAILED", problem
    fresh = running and status.get("pid") == row.pid  # an older report is from before a resume
    phase: str | None = {"PENDING": "queued", "SUCCEEDED": "finished", "STOPPED": "stopped"}.get(state, "failed")
    if running:
        phase = "stopping" if row.stop_requested else str(status.get("phase")) if fresh else "starting"
    return Job(
        id=row.id,
        name=row.name,
        title=row.title,
        state=state,
        recipe=row.recipe,
        model=row.model,
        device=row.device,
        pid=row.pid if running else None,
        step=_step(folder, status),
        max_steps=row.max_steps,
        speed=_number(status, "steps_per_second") if fresh else None,
        seconds_left=_number(status, "seconds_left") if fresh else None,
        phase=phase,
        error=error,
        created=row.created,
        started=row.started,
        finished=row.finished,
        folder=folder,
        position=pending.index(row.id) + 1 if state == "PENDING" and row.id in pending else None,
        device_note=_note(status),
    )


def of_folder(path: Path) -> Job:
    """A run without a row: read-only, unless its worker is alive because the queue was lost under it."""
    folder = RunFolder(path)
    status = folder.status()
    error = damage(folder)
    spec = None if error else folder.spec()
    created = _created(folder)
    step = _step(folder, status)
    max_steps = (spec.train.max_steps or 0) if spec else _whole(status, "max_steps") or 0
    pid = None if error else _living_pid(status)
    state: State = "SUCCEEDED" if step >= max_steps else "STOPPED"
    if error:
        state = "FAILED"
    elif pid is not None:
        state = "RUNNING"
    elif status.get("phase") == "failed":
        state, error = "FAILED", str(status.get("error") or "the worker gave no reason; its log may tell")
    names: dict[State, str] = {"SUCCEEDED": "finished", "STOPPED": "stopped", "FAILED": "failed"}
    return Job(
        id=path.name,
        name=folder.given_name() or (spec.run.name if spec else None) or path.name,
        title=spec.title if spec else path.name,
        state=state,
        recipe=(spec.recipe or spec.model) if spec else "",
        model=spec.model if spec else "",
        device=str(status.get("device") or "") or None,
        pid=pid,
        step=step,
        max_steps=max_steps,
        speed=_number(status, "steps_per_second") if pid else None,
        seconds_left=_number(status, "seconds_left") if pid else None,
        phase=str(status.get("phase")) if pid else names[state],
        error=error,
        created=created,
        started=None,
        finished=None if pid else _number(status, "heartbeat"),
        folder=folder,
        position=None,
        device_note=_note(status),
    )


def damage(folder: RunFolder, *, files: bool = True) -> str | None:
    """Why the folder cannot be used, or None. Reads and validates its config.json, and looks at its other `files`."""
    try:
        spec = folder.spec()
        registry.config_class(spec.model).parse(spec.config, "model.")
        if files:
            folder.check_files()
    except GenmodelsError as error:
        return str(error)
    return None


def _created(folder: RunFolder) -> float:
    try:
        created = _number(folder.config(), "created")
    except CheckpointError:
        created = None
    if created is not None:
        return created
    try:
        return folder.path.stat().st_mtime
    except FileNotFoundError:  # deleted in this moment
        return 0.0


def _step(folder: RunFolder, status: dict[str, Any]) -> int:
    step = _whole(status, "step")
    return max(folder.steps(), default=0) if step is None else step


def _number(values: dict[str, Any], key: str) -> float | None:
    """A number from a file that anything may have written; None for whatever else is there."""
    value = values.get(key)
    return float(value) if isinstance(value, int | float) and abs(value) < _HUGE else None


def _whole(values: dict[str, Any], key: str) -> int | None:
    value = _number(values, key)
    return None if value is None else int(value)


def _living_pid(status: dict[str, Any]) -> int | None:
    """The process of the last report, if it still works on the run."""
    at_work = status.get("phase") in ("loading", "tuning", "training")
    pid = _whole(status, "pid") or 0
    if not at_work or not 0 < pid < _MAX_PID or time.time() - (_number(status, "heartbeat") or 0) > _FRESH:
        return None
    return pid if psutil.pid_exists(pid) else None


def _note(status: dict[str, Any]) -> str | None:
    note = status.get("device_note")
    return note if isinstance(note, str) else None
