"""Replace a damaged queue by a new one, built from the run folders."""

from __future__ import annotations

import time
from pathlib import Path

from train_jobs import api, daemon, database
from train_jobs.errors import JobError, QueueError
from train_jobs.rows import adopt
from train_jobs.status import folders, of_folder
from train_jobs.store import QUEUE, Store


def repair() -> Path:
    """Rebuild the queue from the run folders; returns the new path of the damaged file. Workers go on."""
    api.refuse_in_public_mode("repairing the queue")
    store = Store()
    if _damage(store) is None:
        raise JobError(f"{store.path} is in order; there is nothing to repair")
    daemon.end(store.root)
    moved = _move_away(store)
    for run in sorted(map(of_folder, folders(store.root)), key=lambda run: run.created):
        adopt(store, run)
    api.ensure_scheduler()
    return moved


def _damage(store: Store) -> str | None:
    """What is wrong with the file, or None."""
    if not store.path.exists():
        return None
    try:
        with database.reading(store.path) as db:
            result = "ok" if db is None else str(db.execute("PRAGMA quick_check").fetchone()[0])
        store.rows()
    except QueueError as error:
        return str(error)
    return None if result == "ok" else result


def _move_away(store: Store) -> Path:
    """Rename the file and its companions, so that a new one can be created; returns the new path."""
    target = store.root / f"{QUEUE}.damaged-{time.strftime('%Y%m%d-%H%M%S')}"
    for suffix in database.COMPANIONS:
        if store.path.with_name(QUEUE + suffix).exists():
            store.path.with_name(QUEUE + suffix).rename(target.with_name(target.name + suffix))
    return target
