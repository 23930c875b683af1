"""Deleting a run: its folder and its row, both or none, and on a full disk too, where it is to make space."""

from __future__ import annotations

import errno
import os
import shutil
import uuid
from pathlib import Path

from genmodels import leftovers
from train_jobs.errors import QueueError
from train_jobs.store import Store
from train_jobs.views import HALF_MADE


def remove(store: Store, folder: Path) -> bool:
    """Delete the run in `folder`; False if it runs. Raises QueueError or OSError; then its row is still there.

    The folder is renamed first, so that a reader never meets half a run and the list forgets it at once.
    """
    leftovers.sweep(store.root, *HALF_MADE)
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
        # A full disk: the row cannot go before there is space, so the files go first.
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
        _delete(folder)  # on this file system even a new name needs space


def _delete(path: Path) -> None:
    """A folder, or a link to one that somebody put there: then the link alone."""
    if path.is_symlink():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path)
