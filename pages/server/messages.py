"""A filter for the messages that a browser may send over Streamlit's websocket: only those that the pages need.

Streamlit also accepts messages that affect the whole server: `clear_cache` clears the caches of all sessions,
`install_skills` writes files next to the app, `load_git_info` reveals the repository's address.
"""

from __future__ import annotations

import logging

from google.protobuf.message import DecodeError
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit.proto.BackMsg_pb2 import BackMsg

_log = logging.getLogger(__name__)
_ALLOWED = ("rerun_script", "stop_script", "file_urls_request", "app_heartbeat", "backend_operation_request")
_ALLOWED_OPERATIONS = ("deferred_file", "dataframe_chunk")


def refused_kind(raw: bytes) -> str | None:
    """The kind of a message that is not allowed; None if it is allowed or is not a valid message."""
    message = BackMsg()
    try:
        message.ParseFromString(raw)
    except DecodeError:
        return None
    kind = message.WhichOneof("type")
    if kind not in _ALLOWED:
        return str(kind)
    if kind == "backend_operation_request":
        operation = message.backend_operation_request.WhichOneof("payload")
        return None if operation in _ALLOWED_OPERATIONS else f"{kind}.{operation}"
    return None


class MessageFilter:
    """Drops messages that are not allowed, and logs each kind once per connection."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket":
            await self._app(scope, receive, send)
            return
        logged: set[str] = set()

        async def filtered() -> Message:
            while True:
                message = await receive()
                if message["type"] != "websocket.receive":
                    return message
                raw = message.get("bytes")
                kind = "text" if raw is None else refused_kind(raw)  # Streamlit expects bytes
                if kind is None:
                    return message
                if kind not in logged:
                    logged.add(kind)
                    _log.warning("refused a message that a browser may not send: %s", kind)

        await self._app(scope, filtered, send)
