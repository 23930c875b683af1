"""Upload limits per file, per session and for the server; and removal of files that are no longer used.

Only the browser checks Streamlit's `max_upload_size=`, and a session keeps every file that a client sends. Here a body
is counted while it arrives, and refused with status 413 before it is stored. Files that no uploader holds any more are
removed, and so are all files of a session that has left.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from typing import cast

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit import runtime
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager

from pages.components import upload_limits
from pages.components.i18n import t

SERVER_BYTES = 2**30
LEFT_SECONDS = 5.0
"""How long the files of a session are kept after it has left: a browser reconnects within this time."""
UNUSED_SECONDS = 60.0
"""Files that no uploader holds are removed after this time without an upload of the session."""
_RECENT_SECONDS = 10.0  # files that are chosen together arrive in shorter intervals
_TICK_SECONDS = 1.0
_FRAMING_BYTES = 65_536  # boundaries, headers and the name around a file's bytes
_SPARE_FILES = 8  # replaced ones, and those beyond a page's limit, which the page reports
_DRAINED_BYTES = 256 * 2**20  # of a refused body: a client reads the response only after sending everything
_ADDRESS = re.compile(r"/_stcore/upload_file/([^/]+)/([^/]+)/?$")


class _RefusedError(Exception):
    """A body exceeds a limit; the message names it."""


class UploadLimits:
    """Enforces the upload limits, and removes files that are no longer used."""

    def __init__(self, app: ASGIApp, server_bytes: int = SERVER_BYTES, unused_seconds: float = UNUSED_SECONDS) -> None:
        self._app, self._server_bytes, self._unused_seconds = app, server_bytes, unused_seconds
        self._arriving: Counter[str] = Counter()  # bytes per session of incomplete bodies
        self._in_progress: Counter[str] = Counter()  # incomplete bodies per session
        self._active: dict[str, float] = {}  # time of each session's last upload
        self._left: dict[str, float] = {}  # time at which each session was first found to have left
        self._connections = 0
        self._sweeping: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            self._connections += 1
            self._sweep_while_needed()
            try:
                await self._app(scope, receive, send)
            finally:
                self._connections -= 1
            return
        match = _ADDRESS.search(scope["path"]) if scope["type"] == "http" and scope["method"] == "PUT" else None
        if match is None or not _connected(match[1]):
            await self._app(scope, receive, send)  # Streamlit refuses an unknown session without reading the body
            return
        await self._upload(match[1], scope, receive, send)

    async def _upload(self, session: str, scope: Scope, receive: Receive, send: Send) -> None:
        now = time.monotonic()
        if now - self._active.get(session, 0.0) > min(_RECENT_SECONDS, self._unused_seconds):
            self._remove_unused(session)
        self._active[session] = now
        self._in_progress[session] += 1
        arrived, answered = 0, False

        async def counted() -> Message:
            nonlocal arrived
            message = await receive()
            if message["type"] == "http.request":
                arrived += len(message.get("body", b""))
                self._arriving[session] += len(message.get("body", b""))
                self._check(session, arrived)
            return message

        async def answer(message: Message) -> None:
            nonlocal answered
            answered = True
            await send(message)

        try:
            self._check(session, _declared(scope))
            await self._app(scope, counted, answer)
        except _RefusedError as error:
            if not answered:
                await _drain(receive)
                await PlainTextResponse(str(error), 413)(scope, receive, send)
        finally:
            self._arriving[session] -= arrived
            if not self._arriving[session]:
                del self._arriving[session]
            self._in_progress[session] -= 1
            if not self._in_progress[session]:
                del self._in_progress[session]
            self._active[session] = time.monotonic()

    def _check(self, session: str, size: int) -> None:
        """Raise _RefusedError if a body of at least `size` bytes exceeds a limit."""
        budget, stored = upload_limits.budget(session), _manager().file_storage
        own = [len(file.data) for file in list(stored.get(session, {}).values())]
        if not budget.files:
            raise _RefusedError(t("common.refused.upload_none"))
        if size > budget.file_bytes + _FRAMING_BYTES:
            raise _RefusedError(t("common.refused.upload_file", megabytes=budget.file_bytes >> 20))
        arriving = max(size, self._arriving[session])
        # One file more than the uploaders hold: the one that is being replaced.
        if (
            sum(own) + arriving > budget.total_bytes + budget.file_bytes + _FRAMING_BYTES
            or len(own) >= budget.files + _SPARE_FILES
        ):
            raise _RefusedError(
                t("common.refused.upload_session", megabytes=budget.total_bytes >> 20, files=budget.files)
            )
        every = sum(len(file.data) for files in list(stored.values()) for file in list(files.values()))
        if every + arriving + sum(self._arriving.values()) - self._arriving[session] > self._server_bytes:
            raise _RefusedError(t("common.refused.upload_server"))

    def _remove_unused(self, session: str) -> None:
        """Remove the session's files that none of its uploaders holds.

        Not during another upload: a browser names files that are chosen together only after the last one is complete.
        """
        if self._in_progress[session]:
            return
        held = upload_limits.in_use(session)
        for identifier in list(_manager().file_storage.get(session, {})):
            if identifier not in held:
                _manager().remove_file(session, identifier)

    def _sweep_while_needed(self) -> None:
        if self._sweeping is None or self._sweeping.done():
            self._sweeping = asyncio.get_running_loop().create_task(self._sweep())

    async def _sweep(self) -> None:
        """Remove unused files until there are no sessions and no connections."""
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            known = {*upload_limits.sessions(), *_manager().file_storage}
            now = time.monotonic()
            for session in known:
                if _connected(session):
                    self._left.pop(session, None)
                    if now - self._active.get(session, now) > self._unused_seconds:
                        self._remove_unused(session)
                elif now - self._left.setdefault(session, now) >= LEFT_SECONDS:
                    _manager().remove_session_files(session)
                    upload_limits.forget(session)
                    self._left.pop(session, None)
                    self._active.pop(session, None)
            if not known and not self._connections:
                return


def _manager() -> MemoryUploadedFileManager:
    return cast(MemoryUploadedFileManager, runtime.get_instance().uploaded_file_mgr)


def _connected(session: str) -> bool:
    return runtime.exists() and runtime.get_instance().is_active_session(session)


def _declared(scope: Scope) -> int:
    """The Content-Length of the request; 0 if it is missing or invalid, which Streamlit refuses."""
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value[:20])
    return 0


async def _drain(receive: Receive) -> None:
    """Read and drop the rest of a refused body, so that the client reads the response."""
    dropped = 0
    while dropped < _DRAINED_BYTES:
        message = await receive()
        dropped += len(message.get("body", b""))
        if message["type"] != "http.request" or not message.get("more_body", False):
            return
