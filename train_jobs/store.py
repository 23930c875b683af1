"""The queue: one SQLite file with state, order, device and pid of every job.

PENDING -> RUNNING -> SUCCEEDED | FAILED | STOPPED, and STOPPED | FAILED -> PENDING on resume. Every transition is one
`UPDATE ... WHERE state = ...`: of two processes that try the same one, exactly one succeeds. Each call opens its own
connection (0.2 ms), so any thread may use a Store. `database.py` opens the file.
"""

# ruff: noqa: S608 - the SQL contains only column names of this file; every value is bound

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from genmodels.runs.catalog import existing_path
from genmodels.runs.folder import runs_root
from train_jobs import database

State = Literal["PENDING", "RUNNING", "SUCCEEDED", "FAILED", "STOPPED"]
Kind = Literal["train", "measure", "publish"]
QUEUE = "queue.sqlite"
_MAX_RESULTS = 64  # ended jobs of a kind other than trainings that stay in the queue


@dataclass(frozen=True)
class Row:
    """A job in the queue."""

    n: int
    id: str
    name: str
    title: str
    recipe: str
    model: str
    max_steps: int
    data_root: str  # of the submitter; the scheduler's may differ
    requested_device: str  # perhaps auto
    state: State
    place: int  # order in the queue; a resumed job goes to its end
    device: str | None
    pid: int | None
    pid_created: float | None  # process creation time: pids are reused
    stop_requested: float | None
    exit_code: int | None
    error: str | None
    created: float
    started: float | None
    finished: float | None
    checkpoints_root: str | None = None  # of the submitter; None in rows of earlier versions
    kind: Kind = "train"
    subject: str | None = None  # the checkpoint that is measured, or the run that is published; None for a training
    step: int | None = None  # that is measured


@dataclass(frozen=True)
class NewJob:
    """The values of a new row."""

    name: str | None
    title: str
    recipe: str
    model: str
    max_steps: int
    data_root: str
    requested_device: str
    created: float
    checkpoints_root: str | None = None
    kind: Kind = "train"
    subject: str | None = None
    step: int | None = None


_END = "(SELECT COALESCE(MAX(place), 0) + 1 FROM jobs)"


class Store:
    """The queue in `root`, by default GENMODELS_RUNS. Methods raise QueueError with cause and next step."""

    def __init__(self, root: Path | None = None) -> None:
        self.root = (root or runs_root()).absolute()
        self.path = self.root / QUEUE

    # ------------------------------------------------------------------ reading

    def rows(self, *states: State, kind: Kind | None = None) -> list[Row]:
        """Rows in these states (by default all) and of this kind, in queue order; [] if there is no queue yet."""
        where = f"WHERE state IN ({', '.join('?' * len(states))})" if states else ""
        rows = self._select(f"{where} ORDER BY place, n", states)
        return rows if kind is None else [row for row in rows if row.kind == kind]

    def row(self, job_id: str) -> Row | None:
        rows = self._select("WHERE id = ?", (job_id,))
        return rows[0] if rows else None

    def _select(self, condition: str, values: tuple[str, ...] = ()) -> list[Row]:
        if not self.path.exists():
            return []
        with database.reading(self.path) as db:
            if db is None:
                return []
            names = database.selected(db, [field.name for field in fields(Row)])
            return [Row(*values) for values in db.execute(f"SELECT {names} FROM jobs {condition}", values)]

    # ------------------------------------------------------------------ new rows

    def add(self, new: NewJob, folder: Path, *, running: tuple[str, int, float] | None = None) -> str:
        """Number a job, rename its prepared `folder` to its id and queue it: all or nothing. Returns the id.

        `running` (device, pid, creation time of the process) adds it as RUNNING, for a foreground run.
        """
        with database.writing(self.path, create=True) as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                n = _next_number(db)
                taken = {row[0] for row in db.execute("SELECT id FROM jobs")}
                while f"{new.recipe}-{n}" in taken or existing_path(f"{new.recipe}-{n}", self.root):
                    n += 1  # a folder older than this queue, or a published checkpoint
                job_id = f"{new.recipe}-{n}"
                self._insert(db, job_id, new, "RUNNING" if running else "PENDING", n=n, running=running)
                folder.rename(self.root / job_id)
            except BaseException:
                _roll_back(db)
                raise
            try:
                db.execute("COMMIT")
            except sqlite3.Error:
                with suppress(OSError):  # on failure it stays as a run without a row
                    (self.root / job_id).rename(folder)  # the caller removes it
                raise
        return job_id

    def add_task(self, new: NewJob, check: Callable[[list[Row]], bool]) -> None:
        """Queue a job that is no training, unless `check` returns False or raises; it is given the rows of its kind.

        An earlier result for the same subject and step is removed, and so are all but the newest results of the kind.
        """
        with database.writing(self.path, create=True) as db, database.transaction(db):
            names = ", ".join(field.name for field in fields(Row))
            rows = [Row(*row) for row in db.execute(f"SELECT {names} FROM jobs WHERE kind = ? ORDER BY n", (new.kind,))]
            if not check(rows):
                return
            ended = [row for row in rows if row.state not in ("PENDING", "RUNNING")]
            for row in ended:
                if (row.subject, row.step) == (new.subject, new.step) or row in ended[:-_MAX_RESULTS]:
                    db.execute("DELETE FROM jobs WHERE n = ?", (row.n,))
            n = _next_number(db)
            self._insert(db, f".{new.kind}-{n}", new, "PENDING", n=n)

    def adopt(
        self,
        job_id: str,
        new: NewJob,
        state: State,
        error: str | None = None,
        running: tuple[str, int, float] | None = None,
    ) -> None:
        """Add a row for a folder that has none; does not change an existing row."""
        with database.writing(self.path, create=True) as db:
            self._insert(db, job_id, new, state, error=error, running=running)

    @staticmethod
    def _insert(
        db: sqlite3.Connection,
        job_id: str,
        new: NewJob,
        state: State,
        *,
        n: int | None = None,
        error: str | None = None,
        running: tuple[str, int, float] | None = None,
    ) -> None:
        device, pid, pid_created = running or (None, None, None)
        values: dict[str, Any] = {
            **vars(new),
            "n": n,
            "id": job_id,
            "name": new.name or job_id,
            "state": state,
            "error": error,
            "device": device,
            "pid": pid,
            "pid_created": pid_created,
            "started": time.time() if running else None,
        }
        columns = ", ".join(values)
        marks = ", ".join(f":{column}" for column in values)
        db.execute(f"INSERT OR IGNORE INTO jobs ({columns}, place) VALUES ({marks}, {_END})", values)

    # --------------------------------------------------------------- transitions

    def claim(self, job_id: str, device: str) -> bool:
        """PENDING -> RUNNING; `set_process` follows."""
        return self._update(
            "state = 'RUNNING', device = ?, started = ?, finished = NULL, pid = NULL, pid_created = NULL, "
            "stop_requested = NULL, exit_code = NULL, error = NULL WHERE id = ? AND state = 'PENDING'",
            (device, time.time(), job_id),
        )

    def set_process(self, job_id: str, pid: int, pid_created: float) -> bool:
        """Store the process of a claimed job."""
        return self._update(
            "pid = ?, pid_created = ? WHERE id = ? AND state = 'RUNNING' AND pid IS NULL", (pid, pid_created, job_id)
        )

    def unclaim(self, job_id: str) -> bool:
        """RUNNING -> PENDING, for a job whose worker was never started; not if it was requested to stop meanwhile."""
        return self._update(
            "state = 'PENDING', device = NULL, started = NULL "
            "WHERE id = ? AND state = 'RUNNING' AND pid IS NULL AND stop_requested IS NULL",
            (job_id,),
        )

    def finish(self, job_id: str, pid: int | None, state: State, exit_code: int | None, error: str | None) -> bool:
        """RUNNING -> SUCCEEDED, FAILED or STOPPED, if the pid is unchanged."""
        return self._update(
            "state = ?, exit_code = ?, error = ?, finished = ? WHERE id = ? AND state = 'RUNNING' AND pid IS ?",
            (state, exit_code, error, time.time(), job_id, pid),
        )

    def cancel(self, job_id: str) -> bool:
        """PENDING -> STOPPED."""
        return self._update("state = 'STOPPED', finished = ? WHERE id = ? AND state = 'PENDING'", (time.time(), job_id))

    def request_stop(self, job_id: str) -> bool:
        """Request the scheduler to stop a running job."""
        return self._update(
            "stop_requested = COALESCE(stop_requested, ?) WHERE id = ? AND state = 'RUNNING'", (time.time(), job_id)
        )

    def requeue(self, job_id: str, data_root: str, checkpoints_root: str | None = None) -> bool:
        """STOPPED or FAILED -> PENDING, at the end of the queue."""
        return self._update(
            f"state = 'PENDING', place = {_END}, device = NULL, pid = NULL, pid_created = NULL, stop_requested = NULL, "
            "exit_code = NULL, error = NULL, finished = NULL, data_root = ?, "
            "checkpoints_root = COALESCE(?, checkpoints_root) WHERE id = ? AND state IN ('STOPPED', 'FAILED')",
            (data_root, checkpoints_root, job_id),
        )

    def rename(self, job_id: str, name: str) -> bool:
        return self._update("name = ? WHERE id = ?", (name, job_id))

    def reclaim(self, job_id: str, device: str, pid: int, pid_created: float) -> bool:
        """FAILED, STOPPED or SUCCEEDED -> RUNNING, for a worker that still runs."""
        return self._update(
            "state = 'RUNNING', device = ?, pid = ?, pid_created = ?, stop_requested = NULL, exit_code = NULL, "
            "error = NULL, finished = NULL WHERE id = ? AND state IN ('FAILED', 'STOPPED', 'SUCCEEDED')",
            (device, pid, pid_created, job_id),
        )

    def remove(self, job_id: str, then: Callable[[], object] | None = None) -> bool:
        """Delete the row of a job and call `then`, both or neither; False if the job is running or has no row."""
        with database.writing(self.path) as db, database.transaction(db):
            removed = db.execute("DELETE FROM jobs WHERE id = ? AND state != 'RUNNING'", (job_id,)).rowcount > 0
            if removed and then is not None:
                then()
        return removed

    def _update(self, change: str, values: tuple[Any, ...]) -> bool:
        with database.writing(self.path) as db:
            return db.execute(f"UPDATE jobs SET {change}", values).rowcount > 0


def _next_number(db: sqlite3.Connection) -> int:
    last = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'jobs'").fetchone()
    return (last[0] if last else 0) + 1


def _roll_back(db: sqlite3.Connection) -> None:
    """Roll back; an error is ignored, because SQLite may have rolled back already and the first error is reported."""
    with suppress(sqlite3.Error):
        db.execute("ROLLBACK")
