"""The queue: one SQLite file that owns state, order, device and pid of every job.

PENDING -> RUNNING -> SUCCEEDED | FAILED | STOPPED, and STOPPED | FAILED -> PENDING on resume. Every transition is one
`UPDATE ... WHERE state = ...`: of two processes that try the same one, exactly one wins. Connections live for one call,
so that any thread of a web server may use a Store; opening one costs 0.2 ms.
"""

# ruff: noqa: S608 - the SQL is put together from this file's own column names; every value is bound

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from genmodels.catalog import name_taken
from genmodels.runfolder import runs_root
from train_jobs.errors import QueueError

State = Literal["PENDING", "RUNNING", "SUCCEEDED", "FAILED", "STOPPED"]
QUEUE = "queue.sqlite"
_VERSION = 1
_SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS jobs (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    title TEXT NOT NULL,
    recipe TEXT NOT NULL,
    model TEXT NOT NULL,
    max_steps INTEGER NOT NULL,
    data_root TEXT NOT NULL,
    wanted TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('PENDING', 'RUNNING', 'SUCCEEDED', 'FAILED', 'STOPPED')),
    place INTEGER NOT NULL,
    device TEXT,
    pid INTEGER,
    pid_created REAL,
    stop_requested REAL,
    exit_code INTEGER,
    error TEXT,
    created REAL NOT NULL,
    started REAL,
    finished REAL
);
CREATE INDEX IF NOT EXISTS jobs_by_state ON jobs (state, place);
PRAGMA user_version = {_VERSION};
COMMIT;
"""


@dataclass(frozen=True)
class Row:
    """A job as the queue knows it."""

    n: int
    id: str
    name: str
    title: str
    recipe: str
    model: str
    max_steps: int
    data_root: str  # of the submitter: the scheduler may have been started with another one
    wanted: str  # the device asked for, perhaps auto
    state: State
    place: int  # order in the queue; a resumed job goes to its end
    device: str | None
    pid: int | None
    pid_created: float | None  # with the pid it names a process for ever; pids alone are used again
    stop_requested: float | None
    exit_code: int | None
    error: str | None
    created: float
    started: float | None
    finished: float | None


@dataclass(frozen=True)
class NewJob:
    """What a row begins with."""

    name: str | None
    title: str
    recipe: str
    model: str
    max_steps: int
    data_root: str
    wanted: str
    created: float


_COLUMNS = ", ".join(field.name for field in fields(Row))
_END = "(SELECT COALESCE(MAX(place), 0) + 1 FROM jobs)"


class Store:
    """The queue in `root`, by default GENMODELS_RUNS. Methods raise QueueError with cause and next step."""

    def __init__(self, root: Path | None = None) -> None:
        self.root = (root or runs_root()).absolute()
        self.path = self.root / QUEUE

    # ------------------------------------------------------------------ reading

    def rows(self, *states: State) -> list[Row]:
        """Rows in these states (all without any), in queue order; [] where there is no queue yet."""
        if not self.path.exists():
            return []
        where = f"WHERE state IN ({', '.join('?' * len(states))})" if states else ""
        with self._open() as db:
            found = db.execute(f"SELECT {_COLUMNS} FROM jobs {where} ORDER BY place, n", states).fetchall()
        return [Row(*values) for values in found]

    def row(self, job_id: str) -> Row | None:
        if not self.path.exists():
            return None
        with self._open() as db:
            values = db.execute(f"SELECT {_COLUMNS} FROM jobs WHERE id = ?", (job_id,)).fetchone()
        return Row(*values) if values else None

    # ------------------------------------------------------------------ new rows

    def add(self, new: NewJob, folder: Path, *, running: tuple[str, int, float] | None = None) -> str:
        """Number a job, rename its prepared `folder` to its id and queue it: all three or none. Returns the id.

        `running` (device, pid, creation time of the process) enters it as running already, for a foreground run.
        """
        with self._open(create=True) as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                last = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'jobs'").fetchone()
                n = (last[0] if last else 0) + 1
                taken = {row[0] for row in db.execute("SELECT id FROM jobs")}
                while f"{new.recipe}-{n}" in taken or name_taken(f"{new.recipe}-{n}", self.root):
                    n += 1  # a folder from before this queue, or a published checkpoint
                job_id = f"{new.recipe}-{n}"
                self._insert(db, job_id, new, "RUNNING" if running else "PENDING", n=n, running=running)
                folder.rename(self.root / job_id)
            except BaseException:
                db.execute("ROLLBACK")
                raise
            try:
                db.execute("COMMIT")
            except sqlite3.Error:
                (self.root / job_id).rename(folder)  # the caller clears it away
                raise
        return job_id

    def adopt(
        self,
        job_id: str,
        new: NewJob,
        state: State,
        error: str | None = None,
        running: tuple[str, int, float] | None = None,
    ) -> None:
        """A row for a folder that has none; leaves an existing row alone."""
        with self._open(create=True) as db:
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
        """PENDING -> RUNNING; the pid follows."""
        return self._update(
            "state = 'RUNNING', device = ?, started = ?, finished = NULL, pid = NULL, pid_created = NULL, "
            "stop_requested = NULL, exit_code = NULL, error = NULL WHERE id = ? AND state = 'PENDING'",
            (device, time.time(), job_id),
        )

    def set_process(self, job_id: str, pid: int, pid_created: float) -> bool:
        """The process of a claimed job."""
        return self._update(
            "pid = ?, pid_created = ? WHERE id = ? AND state = 'RUNNING' AND pid IS NULL", (pid, pid_created, job_id)
        )

    def unclaim(self, job_id: str) -> bool:
        """RUNNING -> PENDING, for a job whose worker was never started."""
        return self._update(
            "state = 'PENDING', device = NULL, started = NULL WHERE id = ? AND state = 'RUNNING' AND pid IS NULL",
            (job_id,),
        )

    def finish(self, job_id: str, pid: int | None, state: State, exit_code: int | None, error: str | None) -> bool:
        """RUNNING -> SUCCEEDED, FAILED or STOPPED, if it is still that process."""
        return self._update(
            "state = ?, exit_code = ?, error = ?, finished = ? WHERE id = ? AND state = 'RUNNING' AND pid IS ?",
            (state, exit_code, error, time.time(), job_id, pid),
        )

    def cancel(self, job_id: str) -> bool:
        """PENDING -> STOPPED."""
        return self._update("state = 'STOPPED', finished = ? WHERE id = ? AND state = 'PENDING'", (time.time(), job_id))

    def request_stop(self, job_id: str) -> bool:
        """Ask the scheduler to stop a running job."""
        return self._update(
            "stop_requested = COALESCE(stop_requested, ?) WHERE id = ? AND state = 'RUNNING'", (time.time(), job_id)
        )

    def requeue(self, job_id: str, data_root: str) -> bool:
        """STOPPED or FAILED -> PENDING, at the end of the queue."""
        return self._update(
            f"state = 'PENDING', place = {_END}, device = NULL, pid = NULL, pid_created = NULL, stop_requested = NULL, "
            "exit_code = NULL, error = NULL, finished = NULL, data_root = ? "
            "WHERE id = ? AND state IN ('STOPPED', 'FAILED')",
            (data_root, job_id),
        )

    def rename(self, job_id: str, name: str) -> bool:
        return self._update("name = ? WHERE id = ?", (name, job_id))

    def remove(self, job_id: str) -> bool:
        """Delete the row of a job that is not running; False where it runs or has none."""
        with self._open() as db:
            return db.execute("DELETE FROM jobs WHERE id = ? AND state != 'RUNNING'", (job_id,)).rowcount > 0

    def _update(self, change: str, values: tuple[Any, ...]) -> bool:
        with self._open() as db:
            return db.execute(f"UPDATE jobs SET {change}", values).rowcount > 0

    # -------------------------------------------------------------- the file itself

    def damage(self) -> str | None:
        """What is wrong with the file, or None."""
        if not self.path.exists():
            return None
        try:
            with self._open() as db:
                answer = str(db.execute("PRAGMA quick_check").fetchone()[0])
                db.execute(f"SELECT {_COLUMNS} FROM jobs").fetchall()
        except QueueError as error:
            return str(error)
        return None if answer == "ok" else answer

    def move_away(self) -> Path:
        """Rename the file and its companions, so that a new one can be made; returns the new path."""
        target = self.root / f"{QUEUE}.damaged-{time.strftime('%Y%m%d-%H%M%S')}"
        for suffix in ("-wal", "-shm", ""):
            if self.path.with_name(QUEUE + suffix).exists():
                self.path.with_name(QUEUE + suffix).rename(target.with_name(target.name + suffix))
        return target

    @contextmanager
    def _open(self, create: bool = False) -> Iterator[sqlite3.Connection]:
        try:
            if create:
                self.root.mkdir(parents=True, exist_ok=True)
            mode = "rwc" if create else "rw"
            db = sqlite3.connect(f"{self.path.as_uri()}?mode={mode}", uri=True, timeout=10, isolation_level=None)
            try:
                version = db.execute("PRAGMA user_version").fetchone()[0]
                if version > _VERSION:
                    raise QueueError(
                        f"{self.path} has version {version}, this program reads {_VERSION}. Update Genmodels Studio, "
                        "or set GENMODELS_RUNS to another folder"
                    )
                if version < _VERSION:
                    db.execute("PRAGMA journal_mode = WAL")
                    db.executescript(_SCHEMA)
                # In WAL mode NORMAL cannot damage the file; a power cut may cost the last transition.
                db.execute("PRAGMA synchronous = NORMAL")
                yield db
            finally:
                db.close()
        except sqlite3.OperationalError as error:
            raise QueueError(
                f"the queue {self.path} cannot be used: {error}. Check that the disk has space and that the folder "
                "can be written, or set GENMODELS_RUNS to another folder; runs already there are untouched"
            ) from error
        except sqlite3.DatabaseError as error:
            raise QueueError(
                f"the queue {self.path} is damaged: {error}. `python -m train_jobs repair` moves it away and makes a "
                "new one from the run folders; no run is lost, and running trainings go on"
            ) from error
        except OSError as error:
            raise QueueError(
                f"the runs folder {self.root} cannot be used: {error.strerror or error}. Free some space, make it "
                "writable, or set GENMODELS_RUNS to another folder"
            ) from error
