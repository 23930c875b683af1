"""Half-made files and folders: how they are removed, and never those of a living process. No torch.

What is not finished lies under a hidden name beside its final one, and often names its process: `.tmp-mnist_vae-1234`.
Whoever makes such a thing is `at_work` in that folder, which is a shared lock that ends with the process, however it
ends. `sweep` removes what is left if it gets the lock for itself and the named process does not run.
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

from genmodels import processes

log = logging.getLogger(__name__)
_TRASH = re.compile(r"\.trash-(.+)-\d+$")
_PID = re.compile(r"[-.](\d{1,7})(\.tmp)?$")


def discard(path: Path) -> None:
    """Remove a file or folder that is no longer needed; what cannot be removed is logged.

    Clean-up code calls this, so it never raises: that would replace the error that is on its way to the user.
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
    """Keep `sweep` away from what this process has half-made in `folder`, which exists."""
    handle = _locked(folder, fcntl.LOCK_SH)
    try:
        yield
    finally:
        if handle is not None:
            os.close(handle)


def sweep(folder: Path, *patterns: str, rescue: Callable[[Path], object] | None = None) -> None:
    """Remove what matches the patterns in `folder`, unless somebody is `at_work` there. Never raises OSError.

    `rescue` is called with each path first; it may move away what must not be lost.
    """
    try:
        found = [path for pattern in patterns for path in folder.glob(pattern)]
    except OSError as error:
        log.warning("%s cannot be read: %s", folder, error.strerror or error)
        return
    if not found:
        return
    handle = _locked(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    if handle is None:
        return
    try:
        for path in found:
            if is_abandoned(path):
                if rescue is not None:
                    rescue(path)
                discard(path)
    except OSError as error:
        log.warning("%s: a leftover could not be moved: %s", folder, error)
    finally:
        os.close(handle)


def put_back(trash: Path) -> None:
    """Rename `.trash-NAME-PID` to NAME if there is none: its process ended before it put another one in its place."""
    named = _TRASH.match(trash.name)
    if named and not os.path.lexists(trash.with_name(named.group(1))):
        os.replace(trash, trash.with_name(named.group(1)))


def is_abandoned(path: Path) -> bool:
    """False if the process that its name ends with runs, and ran already when it was last changed."""
    named = _PID.search(path.name)
    running = processes.seconds_running(int(named.group(1))) if named else None
    if running is None:
        return True
    try:
        return path.lstat().st_mtime < time.time() - running - 2.0  # the pid is another process's by now
    except OSError:
        return False  # gone, or not ours to judge


def _locked(folder: Path, kind: int) -> int | None:
    """The open folder with that lock; None if it cannot be had."""
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
