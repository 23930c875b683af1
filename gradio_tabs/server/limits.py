"""Limits in front of Gradio: only the addresses that the interface and its clients need, and bodies of bounded size.

Gradio also has routes that fetch other addresses, edit the program, record the screen or connect accounts.
"""

from __future__ import annotations

import logging
import re
from contextlib import suppress
from pathlib import Path

from gradio.utils import get_upload_folder
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gradio_tabs.components.files import MAX_UPLOAD_BYTES
from gradio_tabs.components.texts import t

MAX_BODY_BYTES = 2 * MAX_UPLOAD_BYTES
"""Largest body: a file of MAX_UPLOAD_BYTES as base64 in a tool call takes a third more."""
_READ = re.compile(
    r"/(?:config|theme\.css|robots\.txt|favicon\.ico|manifest\.json|pwa_icon(?:/\d+)?|(?:static|assets|svelte)/.+"
    r"|gradio_api/(?:info|openapi\.json|app_id|startup-events|queue/(?:data|status)|heartbeat/\w+|upload_progress"
    r"|call/\w+/\w+|file=(?!https?:).+|mcp(?:/.*)?|theme\.css))?/?"
)
_ACT = re.compile(
    r"/gradio_api/(?:queue/join|run/\w+|api/\w+|call/(?:v2/)?\w+|upload|cancel|reset|mcp(?:/(?:http|messages))?)/?"
)
MAX_STORED_BYTES = 2**30
"""Size of all stored uploads and results, above which no more uploads are taken; old ones are removed every hour."""
_UPLOAD = re.compile(r"/gradio_api/(?:upload|mcp.*)")
_log = logging.getLogger(__name__)


class _TooLargeError(Exception):
    """A body is larger than MAX_BODY_BYTES."""


class RequestLimits:
    """Middleware: 404 for other addresses, 413 for larger bodies, and a message instead of an unexpected error."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        allowed = _READ if scope["method"] in ("GET", "HEAD") else _ACT
        if scope["method"] not in ("GET", "HEAD", "POST", "OPTIONS", "DELETE") or not allowed.fullmatch(path or "/"):
            await _answer(404, t("common.error.no_address"), scope, receive, send)
            return
        if scope["method"] == "POST" and _UPLOAD.match(path) and _stored_bytes() > MAX_STORED_BYTES:
            await _answer(507, t("common.error.full"), scope, receive, send)
            return
        arrived, answered = 0, False

        async def counted() -> Message:
            nonlocal arrived
            message = await receive()
            arrived += len(message.get("body", b""))
            if arrived > MAX_BODY_BYTES:
                raise _TooLargeError
            return message

        async def sent(message: Message) -> None:
            nonlocal answered
            answered = True
            await send(message)

        try:
            if _declared(scope) > MAX_BODY_BYTES:
                raise _TooLargeError
            await self._app(scope, counted, sent)
        except Exception as error:  # noqa: BLE001 - logged; whatever it is, the client gets no traceback
            too_large = isinstance(error, _TooLargeError)
            if not too_large:
                _log.exception("a request to the Gradio interface failed")
            if answered:
                return
            text = t("common.error.body", megabytes=MAX_BODY_BYTES >> 20) if too_large else t("common.error.request")
            await _answer(413 if too_large else 400, text, scope, receive, send)


def _stored_bytes() -> int:
    """Bytes of the files in Gradio's folder, which holds each in a folder of its own."""
    total = 0
    for path in Path(get_upload_folder()).glob("*/*"):
        with suppress(FileNotFoundError):  # removed meanwhile
            total += path.stat().st_size
    return total


def _declared(scope: Scope) -> int:
    """The Content-Length of the request; 0 if it is missing or invalid."""
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value[:20])
    return 0


async def _answer(status: int, text: str, scope: Scope, receive: Receive, send: Send) -> None:
    await JSONResponse({"error": text}, status)(scope, receive, send)
