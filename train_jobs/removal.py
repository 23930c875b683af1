"""Delete a run: its folder and its row, both or neither, even on a full disk."""

from __future__ import annotations

import errno
import os
import shutil
import uuid
from pathlib import Path

from genmodels.system import leftovers
from train_jobs.errors import QueueError
from train_jobs.status import INCOMPLETE
from train_jobs.store import Store


def remove(store: Store, folder: Path) -> bool:
    """Delete the run in `folder`; False if it is running. Raises QueueError or OSError; its row stays then.

    The folder is renamed first, so that no reader finds a partial run and the list drops it at once.
    """
    leftovers.sweep(store.root, *INCOMPLETE)
    with leftovers.at_work(store.root):
        trash = store.root / f".trash-{uuid.uuid4().hex}"
        if store.row(folder.name) is None:
            _move(folder, trash)
        elif not _remove_with_row(store, folder, trash):
            return False
        _delete(trash)
    return True


def _remove_with_row(store: Store, folder: Path, trash: Path) -> bool:
    try:
        return store.remove(folder.name, lambda: _move(folder, trash))
    except QueueError:
        row = store.row(folder.name)
        if row is None or row.state == "RUNNING":
            return False
        # On a full disk the row cannot be deleted before there is space, so the files are deleted first.
        _move(folder, trash)
        _delete(trash)
        return store.remove(folder.name)


def _move(folder: Path, trash: Path) -> None:
    if not os.path.lexists(folder):
        return
    try:
        folder.rename(trash)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        _delete(folder)  # on this file system even renaming needs space


def _delete(path: Path) -> None:
    """Delete a folder, or only the link if it is one."""
    if path.is_symlink():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path)
