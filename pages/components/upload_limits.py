"""What the uploaders that a session sees may receive, and which of the files they have received are in use.

Streamlit keeps every file of a session in memory until the session ends, and only the browser knows an uploader's own
limit. So each uploader states its limits here; `pages/server/uploads.py` refuses what exceeds them and frees the rest.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.uploaded_file_manager import UploadedFile


@dataclass(frozen=True)
class Budget:
    """What a session may hold: bytes per file, bytes of all files, number of files."""

    file_bytes: int
    total_bytes: int
    files: int


@dataclass
class _Uploader:
    budget: Budget
    files: tuple[weakref.ref[UploadedFile], ...]
    ids: frozenset[str]
    run: int


@dataclass
class _Session:
    run: int = 0
    uploaders: dict[str, _Uploader] = field(default_factory=dict)


_lock = threading.Lock()
_sessions: dict[str, _Session] = {}


def accept(
    key: str,
    found: UploadedFile | Sequence[UploadedFile] | None,
    *,
    megabytes: int,
    files: int = 1,
    total_megabytes: int | None = None,
) -> None:
    """State what the uploader `key`, just shown, may receive, and which files it holds now."""
    context = get_script_run_ctx()
    if context is None:
        return
    held = _listed(found)
    kept = _listed(st.session_state.get(key))  # the session's state has objects of its own
    total = total_megabytes or megabytes * files
    with _lock:
        session = _sessions.setdefault(context.session_id, _Session())
        session.uploaders[key] = _Uploader(
            Budget(megabytes << 20, total << 20, files),
            tuple(weakref.ref(file) for file in (*held, *kept)),
            frozenset(file.file_id for file in held),
            session.run,
        )


def _listed(found: Any) -> list[UploadedFile]:
    files = found if isinstance(found, list) else [found]
    return [file for file in files if isinstance(file, UploadedFile)]


def begin_run() -> None:
    """A run of a whole page begins. Its uploaders, and until it ends those of the run before, may receive files."""
    context = get_script_run_ctx()
    if context is not None:
        with _lock:
            _sessions.setdefault(context.session_id, _Session()).run += 1


def end_run() -> None:
    """The page is complete: uploaders that it does not show any more receive nothing."""
    context = get_script_run_ctx()
    if context is None:
        return
    with _lock:
        session = _sessions.setdefault(context.session_id, _Session())
        session.uploaders = {key: shown for key, shown in session.uploaders.items() if shown.run == session.run}


def budget(session_id: str) -> Budget:
    """What the session's uploaders may receive together; nothing if it sees none."""
    with _lock:
        session = _sessions.get(session_id)
        budgets = [shown.budget for shown in session.uploaders.values()] if session else []
    return Budget(
        max((one.file_bytes for one in budgets), default=0),
        sum(one.total_bytes for one in budgets),
        sum(one.files for one in budgets),
    )


def in_use(session_id: str) -> frozenset[str]:
    """Ids of the files that the session's uploaders hold."""
    with _lock:
        session = _sessions.get(session_id)
        held = [shown.ids for shown in session.uploaders.values()] if session else []
    return frozenset().union(*held)


def sessions() -> tuple[str, ...]:
    """Ids of the sessions that have run a page and were not forgotten."""
    with _lock:
        return tuple(_sessions)


def forget(session_id: str) -> None:
    """Release what is known of an ended session, and the contents of its files: Streamlit keeps the objects a while."""
    with _lock:
        session = _sessions.pop(session_id, None)
    for shown in session.uploaders.values() if session else ():
        for reference in shown.files:
            file = reference()
            if file is not None:
                file.truncate(0)
