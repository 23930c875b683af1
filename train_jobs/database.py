"""The queue's SQLite file: its schema, and connections for reading (without any write) and for writing.

It uses a rollback journal, not a write-ahead log: a log needs a shared-memory file even for reading, so a full or
read-only disk would hide every run. The journal stays between transactions, because its blocks let a small change
succeed on a full disk. A change costs about 10 ms, most of it waiting for the disk; reading costs 0.2 ms.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from train_jobs.errors import QueueError

COMPANIONS = ("-journal", "-wal", "-shm", "")
"""Suffixes of the files that belong together, the main one last."""
_VERSION = 2  # increased by changes that an older program cannot read
_TABLE = """
CREATE TABLE IF NOT EXISTS jobs (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    title TEXT NOT NULL,
    recipe TEXT NOT NULL,
    model TEXT NOT NULL,
    max_steps INTEGER NOT NULL,
    data_root TEXT NOT NULL,
    requested_device TEXT NOT NULL,
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
    finished REAL,
    checkpoints_root TEXT,
    kind TEXT NOT NULL DEFAULT 'train' CHECK (kind IN ('train', 'measure', 'publish')),
    subject TEXT,
    step INTEGER
)
"""
_INDEX = "CREATE INDEX IF NOT EXISTS jobs_by_state ON jobs (state, place)"
_RENAMED = {"requested_device": "wanted"}
"""Column -> its name in version 1."""
_ADDED = {
    "checkpoints_root": "TEXT",
    "kind": "TEXT NOT NULL DEFAULT 'train' CHECK (kind IN ('train', 'measure', 'publish'))",
    "subject": "TEXT",
    "step": "INTEGER",
}
"""Columns that files of version 1 may lack, with their types."""
_DEFAULTS = {"kind": "'train'"}
"""Column -> its value, as SQL, in a file that lacks it; NULL for the others."""
# SQLite's errors if it has to write in order to read: a log of an earlier version without its shared memory, or the
# journal of a process that was killed in a transaction.
_NEEDS_WRITING = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL)


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection | None]:
    """A read-only connection; None if the file holds no queue yet. Raises QueueError."""
    with _explained(path):
        db = _connect(path, "mode=rw")
        try:
            try:
                version = _version(db, path)
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF not in _NEEDS_WRITING:
                    raise
                db.close()
                db = _connect(path, "immutable=1")
                version = _version(db, path)
            yield db if version else None
        finally:
            db.close()


@contextmanager
def writing(path: Path, *, create: bool = False) -> Iterator[sqlite3.Connection]:
    """A connection for changes; `create` creates a missing folder and file. Raises QueueError."""
    with _explained(path):
        if create:
            path.parent.mkdir(parents=True, exist_ok=True)
        db = _connect(path, "mode=rwc" if create else "mode=rw")
        try:
            version = _version(db, path)
            # Fails while another process reads a log of an earlier version; the next change tries again.
            with suppress(sqlite3.OperationalError):
                db.execute("PRAGMA journal_mode = PERSIST")
            if version < _VERSION:
                with transaction(db):
                    _upgrade(db)
            yield db
        finally:
            db.close()


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """All changes of the block, or none if it raises."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):  # SQLite may have rolled back already, and the first error is reported
            db.execute("ROLLBACK")
        raise


def _upgrade(db: sqlite3.Connection) -> None:
    """Create the table, or change one of version 1; another process may have done it meanwhile."""
    db.execute(_TABLE)
    db.execute(_INDEX)
    present = _columns(db)
    for name, earlier in _RENAMED.items():
        if earlier in present:
            db.execute(f"ALTER TABLE jobs RENAME COLUMN {earlier} TO {name}")
    for name, definition in _ADDED.items():
        if name not in present:
            db.execute(f"ALTER TABLE jobs ADD COLUMN {name} {definition}")
    db.execute(f"PRAGMA user_version = {_VERSION}")


def selected(db: sqlite3.Connection, names: Sequence[str]) -> str:
    """Columns for SELECT. A file of version 1, which nobody may write, has others; they get their present names."""
    present = _columns(db)
    return ", ".join(name if name in present else f"{_in_version_1(name, present)} AS {name}" for name in names)


def _in_version_1(name: str, present: set[str]) -> str:
    earlier = _RENAMED.get(name, name)
    return earlier if earlier in present else _DEFAULTS.get(name, "NULL")


def _columns(db: sqlite3.Connection) -> set[str]:
    return {row[1] for row in db.execute("PRAGMA table_info(jobs)")}


def _connect(path: Path, how: str) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.as_uri()}?{how}", uri=True, timeout=10, isolation_level=None)


def _version(db: sqlite3.Connection, path: Path) -> int:
    version = int(db.execute("PRAGMA user_version").fetchone()[0])
    if version > _VERSION:
        raise QueueError(
            f"{path} has version {version}, this program reads {_VERSION}. Install the latest Genmodels Studio, "
            "or set GENMODELS_RUNS to another folder"
        )
    return version


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        raise QueueError(
            f"the queue {path} cannot be used: {error}. Check that the disk has space and that the folder "
            "can be written, or set GENMODELS_RUNS to another folder; runs already there are untouched"
        ) from error
    except sqlite3.DatabaseError as error:
        raise QueueError(
            f"the queue {path} is damaged: {error}. `python -m train_jobs repair` moves it away and builds a "
            "new one from the run folders; no run is lost, and running trainings go on"
        ) from error
    except OSError as error:
        raise QueueError(
            f"the runs folder {path.parent} cannot be used: {error.strerror or error}. Free some space, make it "
            "writable, or set GENMODELS_RUNS to another folder"
        ) from error
