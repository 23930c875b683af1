"""What a run looks like from outside: one frozen Job from its row in the queue and its folder.

A folder without a row is a finished run that can be looked at, resumed, renamed and deleted. No torch.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genmodels import leftovers, processes, registry
from genmodels.errors import CheckpointError, GenmodelsError, UnknownNameError
from genmodels.public import public_mode
from genmodels.runfolder import RunFolder
from train_jobs import scheduler
from train_jobs.errors import QueueError
from train_jobs.launchers import Process
from train_jobs.launchers.local import is_alive
from train_jobs.store import Row, State, Store

log = logging.getLogger(__name__)
_FRESH = 10.0  # seconds without a report after which a worker is said not to respond; it reports each second
_FIRST = 120.0  # seconds until the first report: a worker imports torch from what may be a slow disk
HALF_MADE = (".new-*", ".trash-*")
"""Folders in the runs folder that are being made or removed."""
_HUGE = 1e15  # what no step, time or speed reaches; nor do infinity and NaN, which JSON files may hold, too
_LAST_TIME = 1e11  # the year 5138: dates after 9999, or far before 1970, cannot be shown


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
    phase: str | None
    """queued; starting, loading, tuning, training, stopping, not responding, lost; finished, stopped, failed."""
    error: str | None
    created: float
    started: float | None
    finished: float | None
    folder: RunFolder
    position: int | None  # in the queue, 1 is next
    device_note: str | None = None  # why `auto` took no GPU that seems to be here
    silent: float | None = None
    """Seconds since the last report of a worker that should report each second; None if it does."""

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
    if not public_mode():
        leftovers.sweep(store.root, *HALF_MADE)
    # Before the rows: a new job's row follows its folder.
    found_folders = {path.name: path for path in folders(store.root)}
    rows = store.rows()
    problem = _scheduler_problem()
    pending = [row.id for row in rows if row.state == "PENDING"]
    known = {row.id for row in rows}
    found = [_of_row(store, row, pending, problem) for row in rows]
    found += [of_folder(path) for name, path in found_folders.items() if name not in known]
    return tuple(sorted(found, key=lambda job: (job.created, job.id), reverse=True))


def job(job_id: str) -> Job:
    """One run by its id; raises UnknownNameError."""
    store = Store()
    row = store.row(job_id)
    if row is not None:
        problem = _scheduler_problem()
        return _of_row(store, row, [other.id for other in store.rows("PENDING")], problem)
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


def _scheduler_problem() -> str | None:
    """Start the scheduler if there is work; why that fails, if it does: runs can be looked at all the same."""
    try:
        ensure_scheduler()
    except QueueError as error:
        log.warning("%s", error)
        return str(error)
    return None


def _of_row(store: Store, row: Row, pending: list[str], problem: str | None = None) -> Job:
    folder = RunFolder(store.root / row.id)
    state, error, pid = row.state, row.error, row.pid
    status = folder.status()
    if state == "PENDING":
        error = problem
    elif state != "RUNNING" and status.get("pid") == pid and _living_pid(status) is not None:
        state, error = "RUNNING", None  # it was given up, by an earlier scheduler; stop finds it
    running = state == "RUNNING"
    if not running:
        damaged = damage(folder, files=state != "PENDING")  # a waiting job's worker reports what it finds
        if damaged:
            state, error = "FAILED", damaged
    fresh = running and status.get("pid") == row.pid  # an older report is from before a resume
    phase: str | None = {"PENDING": "queued", "SUCCEEDED": "finished", "STOPPED": "stopped"}.get(state, "failed")
    silent = _silence(row, folder, status if fresh else None) if running else None
    if running:
        phase = str(status.get("phase")) if fresh else "starting"
        if row.stop_requested:
            phase = "stopping"
        elif silent is not None:
            alive = row.pid is not None and is_alive(Process(row.pid, row.pid_created or 0.0), folder.path)
            phase = "not responding" if alive else "lost"
    return Job(
        id=row.id,
        name=row.name,
        title=row.title,
        state=state,
        recipe=row.recipe,
        model=row.model,
        device=row.device,
        pid=pid if running else None,
        step=_step(folder, status),
        max_steps=row.max_steps,
        speed=_number(status, "steps_per_second") if fresh and silent is None else None,
        seconds_left=_number(status, "seconds_left") if fresh and silent is None else None,
        phase=phase,
        error=error,
        created=row.created,
        started=row.started,
        finished=None if running else row.finished,
        folder=folder,
        position=pending.index(row.id) + 1 if state == "PENDING" and row.id in pending else None,
        device_note=_note(status),
        silent=silent,
    )


def _silence(row: Row, folder: RunFolder, status: dict[str, Any] | None) -> float | None:
    """Seconds without a report, if they are too many; `status` None before the first one."""
    if status is not None:
        age = processes.age(status)
        return age if age is not None and age > _FRESH else None
    running = None if row.pid is None else processes.seconds_running(row.pid)
    return running if running is not None and running > _FIRST else None


def of_folder(path: Path) -> Job:
    """A run without a row: read-only, unless its worker is alive because the queue was lost under it."""
    folder = RunFolder(path)
    status = folder.status()
    error = damage(folder)
    spec = None if error else folder.spec()
    created = _created(folder)
    step = _step(folder, status)
    max_steps = (spec.train.max_steps or 0) if spec else max(0, _whole(status, "max_steps") or 0)
    pid = None if error else _living_pid(status)
    age = processes.age(status) if pid else None
    silent = age if age is not None and age > _FRESH else None
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
        speed=_number(status, "steps_per_second") if pid and silent is None else None,
        seconds_left=_number(status, "seconds_left") if pid and silent is None else None,
        phase=names[state] if not pid else str(status.get("phase")) if silent is None else "not responding",
        error=error,
        created=created,
        started=None,
        finished=None if pid else _time(status, "heartbeat"),
        folder=folder,
        position=None,
        device_note=_note(status),
        silent=silent,
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
        created = _time(folder.config(), "created")
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
    return max(folder.steps(), default=0) if step is None or step < 0 else step


def _number(values: dict[str, Any], key: str) -> float | None:
    """A number from a file that anything may have written; None for whatever else is there."""
    value = values.get(key)
    return float(value) if isinstance(value, int | float) and abs(value) < _HUGE else None


def _time(values: dict[str, Any], key: str) -> float | None:
    """Seconds since 1970, as `_number`; None also if no calendar has that time."""
    value = _number(values, key)
    return value if value is not None and 0 <= value < _LAST_TIME else None


def _whole(values: dict[str, Any], key: str) -> int | None:
    value = _number(values, key)
    return None if value is None else int(value)


def _living_pid(status: dict[str, Any]) -> int | None:
    """The process of the last report, if it still works on the run: reports or not, it can be stopped."""
    pid = _whole(status, "pid") or 0
    if status.get("phase") not in ("loading", "tuning", "training") or not processes.is_author(status, pid):
        return None
    return pid


def _note(status: dict[str, Any]) -> str | None:
    note = status.get("device_note")
    return note if isinstance(note, str) else None
