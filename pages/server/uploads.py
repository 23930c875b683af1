"""Limits of uploads, enforced by the server: per file, per session and of all sessions; and their memory freed.

Streamlit's `max_upload_size=` is checked by the browser only, and a client that speaks the protocol itself could send
any number of files to a session, which keeps them all. Here a body is counted while it arrives and refused, with status
413, before it is kept. Files that no uploader holds any more are removed, and all of a session that has left.
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
"""How long a session that has left keeps its files: the time in which a browser connects again by itself."""
UNUSED_SECONDS = 60.0
"""After how long without an upload a session's files that no uploader holds are removed."""
_RECENT_SECONDS = 10.0  # files of one choice follow each other faster
_TICK_SECONDS = 1.0
_FRAMING_BYTES = 65_536  # boundaries, headers and the name around a file's bytes
_SPARE_FILES = 8  # replaced ones, and more than a page uses, which it says
_DRAINED_BYTES = 256 * 2**20  # of a refused body: a client reads the answer only when it has sent everything
_ADDRESS = re.compile(r"/_stcore/upload_file/([^/]+)/([^/]+)/?$")


class _RefusedError(Exception):
    """The body exceeds a limit; the text says which."""


class UploadLimits:
    """Counts the bodies of uploads, and removes files that are not needed any more."""

    def __init__(self, app: ASGIApp, server_bytes: int = SERVER_BYTES, unused_seconds: float = UNUSED_SECONDS) -> None:
        self._app, self._server_bytes, self._unused_seconds = app, server_bytes, unused_seconds
        self._arriving: Counter[str] = Counter()  # bytes per session, of bodies that are not complete
        self._in_progress: Counter[str] = Counter()  # bodies per session that are not complete
        self._active: dict[str, float] = {}  # when each session last uploaded something
        self._left: dict[str, float] = {}  # when each session was first seen to have left
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
        found = _ADDRESS.search(scope["path"]) if scope["type"] == "http" and scope["method"] == "PUT" else None
        if found is None or not _connected(found[1]):
            await self._app(scope, receive, send)  # an unknown session is refused by Streamlit, unread
            return
        await self._upload(found[1], scope, receive, send)

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

        async def noticed(message: Message) -> None:
            nonlocal answered
            answered = True
            await send(message)

        try:
            self._check(session, _declared(scope))
            await self._app(scope, counted, noticed)
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
        """Raise if a body of `size` bytes or more is too much."""
        budget, stored = upload_limits.budget(session), _manager().file_storage
        own = [len(file.data) for file in list(stored.get(session, {}).values())]
        if not budget.files:
            raise _RefusedError(t("common.refused.upload_none"))
        if size > budget.file_bytes + _FRAMING_BYTES:
            raise _RefusedError(t("common.refused.upload_file", megabytes=budget.file_bytes >> 20))
        arriving = max(size, self._arriving[session])
        # One more file than the uploaders hold: the one that is being replaced.
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

        Not while another one arrives: a browser names the files of one choice only when the last of them is complete.
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
        """Free what is not needed, until no session is left and none connects."""
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
    """The body's length as the client says; 0 if it does not, or says nonsense, which Streamlit refuses."""
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value[:20])
    return 0


async def _drain(receive: Receive) -> None:
    """Read and drop the rest of a refused body, so that the client comes to read the answer."""
    dropped = 0
    while dropped < _DRAINED_BYTES:
        message = await receive()
        dropped += len(message.get("body", b""))
        if message["type"] != "http.request" or not message.get("more_body", False):
            return
