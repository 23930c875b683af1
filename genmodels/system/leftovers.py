"""Removes incomplete files and folders, never those of a running process. Does not import torch.

Incomplete files have a hidden name next to the final one, which often ends with the process id: `.tmp-mnist_vae-1234`.
Their process holds a shared lock of the folder (`at_work`), which the system releases when the process ends. `sweep`
removes them if it gets the exclusive lock and the process of the name does not run.
"""

from __future__ import annotations

import fcntl
import logging
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from genmodels.system import processes

log = logging.getLogger(__name__)
_TRASH = re.compile(r"\.trash-(.+)-\d+$")
_PID = re.compile(r"[-.](\d{1,7})(\.tmp)?$")


def discard(path: Path) -> None:
    """Remove a file or folder; a failure is logged.

    It never raises: in clean-up code that would hide the original error from the user.
    """
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        if os.path.lexists(path):
            log.warning("%s could not be removed: %s. It is not needed any more", path, error.strerror or error)


@contextmanager
def at_work(folder: Path) -> Iterator[None]:
    """Protect this process's incomplete files in the existing `folder` from `sweep`."""
    handle = _locked(folder, fcntl.LOCK_SH)
    try:
        yield
    finally:
        if handle is not None:
            os.close(handle)


def sweep(folder: Path, *patterns: str, rescue: Callable[[Path], object] | None = None) -> None:
    """Remove matches of the patterns in `folder`, unless a process is `at_work` there. Never raises OSError.

    `rescue` is called with each path first; it may move away files that must not be lost.
    """
    try:
        matches = [path for pattern in patterns for path in folder.glob(pattern)]
    except OSError as error:
        log.warning("%s cannot be read: %s", folder, error.strerror or error)
        return
    if not matches:
        return
    handle = _locked(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    if handle is None:
        return
    try:
        for path in matches:
            if is_abandoned(path):
                if rescue is not None:
                    rescue(path)
                discard(path)
    except OSError as error:
        log.warning("%s: a leftover could not be moved: %s", folder, error)
    finally:
        os.close(handle)


def put_back(trash: Path) -> None:
    """Rename `.trash-NAME-PID` back to NAME if NAME does not exist: its process ended before it replaced NAME."""
    named = _TRASH.match(trash.name)
    if named and not os.path.lexists(trash.with_name(named.group(1))):
        os.replace(trash, trash.with_name(named.group(1)))


def is_abandoned(path: Path) -> bool:
    """False if the process whose id ends the name runs, and already ran when the file was last changed."""
    named = _PID.search(path.name)
    running = processes.seconds_running(int(named.group(1))) if named else None
    if running is None:
        return True
    try:
        return path.lstat().st_mtime < time.time() - running - 2.0  # the pid was reused
    except OSError:
        return False  # removed meanwhile, or unreadable


def _locked(folder: Path, kind: int) -> int | None:
    """A descriptor of the folder with the lock; None if it cannot be locked."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(handle, kind)
    except OSError as error:  # held by another process, or a file system without locks
        os.close(handle)
        if not isinstance(error, BlockingIOError):
            log.warning("%s cannot be locked: %s", folder, error.strerror or error)
        return None
    return handle
