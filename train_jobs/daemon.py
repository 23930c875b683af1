"""The process of the scheduler: find, start and end it. One per runs folder, guarded by a lock file."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO

import psutil

from genmodels.system.paths import PROJECT
from train_jobs.errors import QueueError
from train_jobs.launchers.environment import allowed

LOCK, SCHEDULER_LOG = "scheduler.lock", "scheduler.log"
_START_SECONDS = 5.0  # within which a started scheduler holds the lock
_starting = threading.Lock()
_spawned: tuple[subprocess.Popen[bytes], float, Path] | None = None
_failed: dict[Path, str] = {}
"""Runs folder -> why the last attempt of this process to start a scheduler failed."""


def running_pid(root: Path) -> int | None:
    """The pid of the scheduler that serves `root`, or None."""
    try:
        with (root / LOCK).open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                return None
            except BlockingIOError:
                return int(json.loads(file.read() or b'{"pid": 0}')["pid"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError) as error:
        raise QueueError(f"{root / LOCK} cannot be read: {error}. Delete the file and try again") from error


def problem(root: Path) -> str | None:
    """Why queued jobs do not start; None if a scheduler runs or was started just now. Starts none."""
    try:
        if running_pid(root) is not None or _was_started(root):
            return None
    except QueueError as error:
        return str(error)
    return _failed.get(root) or (
        "no scheduler runs. An open app starts one within seconds; `python -m train_jobs wait ID` starts one, too"
    )


def ensure(root: Path) -> None:
    """Start a scheduler for `root` unless one runs; checking costs 0.1 ms. Raises QueueError if that fails."""
    with _starting:
        if running_pid(root) is None and not _was_started(root):
            _start(root)


def _was_started(root: Path) -> bool:
    """Whether this process started a scheduler that has not taken the lock yet."""
    if _spawned is None:
        return False
    child, since, where = _spawned
    alive = child.poll() is None  # also reaps one that has ended
    return alive and where == root and time.monotonic() - since < _START_SECONDS


def _start(root: Path) -> None:
    global _spawned
    try:
        with (root / SCHEDULER_LOG).open("ab") as output:
            child = subprocess.Popen(
                [sys.executable, "-m", "train_jobs.scheduler", str(root)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=PROJECT,
                env={**allowed(), "GENMODELS_RUNS": str(root)},
                start_new_session=True,
            )
    except OSError as error:
        _failed[root] = f"the scheduler cannot be started: {error}. Queued jobs wait; nothing is lost"
        raise QueueError(_failed[root]) from error
    _failed.pop(root, None)
    _spawned = (child, time.monotonic(), root)


def end(root: Path) -> None:
    """End the scheduler of `root` and wait for it; workers go on."""
    pid = running_pid(root)
    if not pid:
        return
    try:
        scheduler = psutil.Process(pid)
        scheduler.terminate()
        scheduler.wait(timeout=10)
    except psutil.NoSuchProcess:
        return
    except psutil.TimeoutExpired:
        raise QueueError(f"the scheduler (pid {pid}) does not end; end it by hand and try again") from None


def lock(root: Path) -> IO[bytes] | None:
    """The open, locked file; None if another scheduler holds it."""
    file = (root / LOCK).open("a+b")
    for _ in range(20):  # running_pid() holds a shared lock for a moment
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.02)
            continue
        file.seek(0)
        file.truncate()
        file.write(json.dumps({"pid": os.getpid()}).encode())
        file.flush()
        return file
    file.close()
    return None


def is_current(root: Path, file: IO[bytes]) -> bool:
    """False if the runs folder has been removed or replaced."""
    try:
        return (root / LOCK).stat().st_ino == os.fstat(file.fileno()).st_ino
    except OSError:
        return False
