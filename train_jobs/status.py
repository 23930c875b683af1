"""The status of runs, read only: a frozen Job from a row of the queue and the run folder.

A folder without a row is a finished run that can be shown, resumed, renamed and deleted. No torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genmodels import registry
from genmodels.errors import CheckpointError, GenmodelsError, UnknownNameError
from genmodels.public import public_mode
from genmodels.runs.folder import RunFolder
from genmodels.system import processes
from train_jobs import daemon
from train_jobs.errors import QueueError
from train_jobs.launchers import Process
from train_jobs.launchers.local import is_alive
from train_jobs.store import Row, State, Store

_MAX_SILENCE = 10.0  # seconds without a report before a worker counts as not responding; it reports each second
_MAX_START = 120.0  # seconds until the first report: a worker may import torch from a slow disk
INCOMPLETE = (".new-*", ".trash-*")
"""Folders in the runs folder that are being created or removed."""
_MAX_NUMBER = 1e15  # above any step, time or speed; also excludes infinity and NaN, which JSON files may contain
_MAX_TIME = 1e11  # the year 5138: datetime cannot show years after 9999


@dataclass(frozen=True)
class Job:
    """The current status of a run. Times are seconds since 1970; None if unknown or not applicable."""

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
    speed: float | None  # steps per second, while it runs
    seconds_left: float | None
    phase: str | None
    """queued; starting, loading, tuning, training, stopping, not responding, lost; finished, stopped, failed."""
    error: str | None
    created: float
    started: float | None
    finished: float | None
    folder: RunFolder
    position: int | None  # in the queue, 1 is next
    device_note: str | None = None  # why `auto` did not choose a GPU that seems to be present
    silent: float | None = None
    """Seconds since the last report, if a running worker should have reported since; else None."""

    @property
    def active(self) -> bool:
        """Whether the job is queued or running."""
        return self.state in ("PENDING", "RUNNING")


def all_jobs(store: Store) -> tuple[Job, ...]:
    """Every run of the queue and of the runs folder, the newest first."""
    # Folders before rows: a new job's row is written after its folder.
    paths = {path.name: path for path in folders(store.root)}
    rows = store.rows(kind="train")
    pending = [row.id for row in rows if row.state == "PENDING"]
    problem = _waiting_problem(store) if pending else None
    with_row = {row.id for row in rows}
    result = [_of_row(store, row, pending, problem) for row in rows]
    result += [of_folder(path) for name, path in paths.items() if name not in with_row]
    return tuple(sorted(result, key=lambda job: (job.created, job.id), reverse=True))


def one_job(store: Store, job_id: str) -> Job:
    """One run by its id; raises UnknownNameError."""
    row = store.row(job_id)
    if row is not None and row.kind == "train":
        pending = [other.id for other in store.rows("PENDING", kind="train")]
        return _of_row(store, row, pending, _waiting_problem(store) if pending else None)
    paths = folders(store.root)
    for path in paths:
        if path.name == job_id:
            return of_folder(path)
    known = {*(row.id for row in store.rows(kind="train")), *(path.name for path in paths)}
    raise UnknownNameError("run", job_id, known, "`python -m train_jobs list` lists them.")


def _waiting_problem(store: Store) -> str | None:
    """Why queued jobs do not start; None if they will. A public server never starts one, so it reports nothing."""
    return None if public_mode() else daemon.problem(store.root)


def folders(root: Path) -> list[Path]:
    """The run folders, sorted by name; raises QueueError."""
    try:
        entries = sorted(root.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise QueueError(f"the runs folder {root} cannot be read: {error.strerror}. Set GENMODELS_RUNS") from error
    return [path for path in entries if not path.name.startswith(".") and RunFolder(path).looks_like_run()]


def _of_row(store: Store, row: Row, pending: list[str], problem: str | None) -> Job:
    folder = RunFolder(store.root / row.id)
    state, error, pid = row.state, row.error, row.pid
    status = folder.status()
    if state == "PENDING":
        error = problem
    elif state != "RUNNING" and status.get("pid") == pid and _living_pid(status) is not None:
        state, error = "RUNNING", None  # an earlier scheduler took it for ended; stop() adopts it
    running = state == "RUNNING"
    if not running:
        damaged = damage(folder, files=state != "PENDING")  # the worker of a queued job reports damaged files itself
        if damaged:
            state, error = "FAILED", damaged
    current = running and status.get("pid") == row.pid  # else the report is from before a resume
    phase: str | None = {"PENDING": "queued", "SUCCEEDED": "finished", "STOPPED": "stopped"}.get(state, "failed")
    silent = _silence(row, folder, status if current else None) if running else None
    if running:
        phase = str(status.get("phase")) if current else "starting"
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
        speed=_number(status, "steps_per_second") if current and silent is None else None,
        seconds_left=_number(status, "seconds_left") if current and silent is None else None,
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
    """Seconds without a report, if too many; `status` is None before the first report."""
    if status is not None:
        age = processes.age(status)
        return age if age is not None and age > _MAX_SILENCE else None
    running = None if row.pid is None else processes.seconds_running(row.pid)
    return running if running is not None and running > _MAX_START else None


def of_folder(path: Path) -> Job:
    """The job of a folder without a row. Its worker may be running, if the queue file was lost."""
    folder = RunFolder(path)
    status = folder.status()
    error = damage(folder)
    spec = None if error else folder.spec()
    created = _created(folder)
    step = _step(folder, status)
    max_steps = (spec.train.max_steps or 0) if spec else max(0, _whole(status, "max_steps") or 0)
    pid = None if error else _living_pid(status)
    age = processes.age(status) if pid else None
    silent = age if age is not None and age > _MAX_SILENCE else None
    state: State = "SUCCEEDED" if step >= max_steps else "STOPPED"
    if error:
        state = "FAILED"
    elif pid is not None:
        state = "RUNNING"
    elif status.get("phase") == "failed":
        state, error = "FAILED", str(status.get("error") or "the worker gave no reason; see its log")
    names: dict[State, str] = {"SUCCEEDED": "finished", "STOPPED": "stopped", "FAILED": "failed"}
    return Job(
        id=path.name,
        name=folder.given_name() or (spec.run.name if spec else None) or path.name,
        title=spec.title if spec else path.name,
        state=state,
        recipe=(spec.recipe or spec.family) if spec else "",
        model=spec.family if spec else "",
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
    """Why the folder cannot be used, or None. Validates config.json and, with `files`, checks the other files."""
    try:
        spec = folder.spec()
        registry.config_class(spec.family).parse(spec.model, "model.")
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
    except FileNotFoundError:  # deleted just now
        return 0.0


def _step(folder: RunFolder, status: dict[str, Any]) -> int:
    step = _whole(status, "step")
    return max(folder.steps(), default=0) if step is None or step < 0 else step


def _number(values: dict[str, Any], key: str) -> float | None:
    """A number from an untrusted JSON file; None for any other value."""
    value = values.get(key)
    return float(value) if isinstance(value, int | float) and abs(value) < _MAX_NUMBER else None


def _time(values: dict[str, Any], key: str) -> float | None:
    """Seconds since 1970 from an untrusted JSON file; None if it is no date."""
    value = _number(values, key)
    return value if value is not None and 0 <= value < _MAX_TIME else None


def _whole(values: dict[str, Any], key: str) -> int | None:
    value = _number(values, key)
    return None if value is None else int(value)


def _living_pid(status: dict[str, Any]) -> int | None:
    """The process of the last report, if it still runs. It can be stopped even if it does not report."""
    pid = _whole(status, "pid") or 0
    if status.get("phase") not in ("loading", "tuning", "training") or not processes.is_author(status, pid):
        return None
    return pid


def _note(status: dict[str, Any]) -> str | None:
    note = status.get("device_note")
    return note if isinstance(note, str) else None
