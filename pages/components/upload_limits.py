"""Limits of the uploaders that a session shows, and the files that they hold.

Streamlit keeps every file of a session in memory until the session ends, and only the browser checks the limit of an
uploader. So each uploader registers its limits here; `pages/server/uploads.py` enforces them and frees other files.
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
    """Limits of a session: bytes per file, bytes of all files, number of files."""

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
    value: UploadedFile | Sequence[UploadedFile] | None,
    *,
    megabytes: int,
    files: int = 1,
    total_megabytes: int | None = None,
) -> None:
    """Register the limits of the uploader `key`, which was just shown, and the files in its `value`."""
    context = get_script_run_ctx()
    if context is None:
        return
    held = _files_in(value)
    copies = _files_in(st.session_state.get(key))  # the session's state has other objects
    total = total_megabytes or megabytes * files
    with _lock:
        session = _sessions.setdefault(context.session_id, _Session())
        session.uploaders[key] = _Uploader(
            Budget(megabytes << 20, total << 20, files),
            tuple(weakref.ref(file) for file in (*held, *copies)),
            frozenset(file.file_id for file in held),
            session.run,
        )


def _files_in(value: Any) -> list[UploadedFile]:
    files = value if isinstance(value, list) else [value]
    return [file for file in files if isinstance(file, UploadedFile)]


def begin_run() -> None:
    """Start a run of a whole page; until it ends, the uploaders of the previous run may receive files, too."""
    context = get_script_run_ctx()
    if context is not None:
        with _lock:
            _sessions.setdefault(context.session_id, _Session()).run += 1


def end_run() -> None:
    """End a run: drop the uploaders that the page no longer shows."""
    context = get_script_run_ctx()
    if context is None:
        return
    with _lock:
        session = _sessions.setdefault(context.session_id, _Session())
        session.uploaders = {key: shown for key, shown in session.uploaders.items() if shown.run == session.run}


def budget(session_id: str) -> Budget:
    """The limits of all uploaders of the session together; zero if it shows none."""
    with _lock:
        session = _sessions.get(session_id)
        budgets = [shown.budget for shown in session.uploaders.values()] if session else []
    return Budget(
        max((one.file_bytes for one in budgets), default=0),
        sum(one.total_bytes for one in budgets),
        sum(one.files for one in budgets),
    )


def in_use(session_id: str) -> frozenset[str]:
    """The ids of the files in the session's uploaders."""
    with _lock:
        session = _sessions.get(session_id)
        held = [shown.ids for shown in session.uploaders.values()] if session else []
    return frozenset().union(*held)


def sessions() -> tuple[str, ...]:
    """The ids of the sessions that have run a page and were not forgotten."""
    with _lock:
        return tuple(_sessions)


def forget(session_id: str) -> None:
    """Drop an ended session and free the contents of its files, whose objects Streamlit keeps for a while."""
    with _lock:
        session = _sessions.pop(session_id, None)
    for shown in session.uploaders.values() if session else ():
        for reference in shown.files:
            file = reference()
            if file is not None:
                file.truncate(0)
