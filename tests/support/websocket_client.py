"""A client of Streamlit's websocket without a browser: it can send what a browser would not.

with server_of({}) as server, Client(server.url) as client:
    client.open("runs")                                # the page /runs, run to its end
    client.set("runs_select", string_value="vae-1")    # kept and sent with every run from now on
    client.click("runs_delete")                        # one run with the trigger, even if the button is disabled
    file = client.upload("image.png", raw)
    client.set("translate_upload", files=[file])
    client.run()
    assert not client.exceptions and "..." in client.text()
"""

from __future__ import annotations

import http.client
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.Element_pb2 import Element
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

_UNEXPECTED = "unexpected_error"  # key of the box that stands for an uncaught exception


@dataclass(frozen=True)
class Upload:
    """A file as the server answered its upload."""

    id: str
    name: str
    size: int
    url: str
    status: int
    answer: str


class Client:
    """One session. Elements are those of the last run; `states` are the widgets that were set."""

    def __init__(self, url: str, *, headers: dict[str, str] | None = None, timeout: float = 60.0) -> None:
        parts = urlsplit(url)
        self.host, self.port, self.base = parts.hostname or "127.0.0.1", parts.port or 80, parts.path.rstrip("/")
        self.timeout = timeout
        self.session = ""
        self.states: dict[str, WidgetState] = {}
        self.elements: dict[tuple[int, ...], Element] = {}
        self.blocks: dict[tuple[int, ...], str] = {}
        self.pages: dict[str, str] = {}
        self.exceptions: list[str] = []
        self._query, self._page, self._name = "", "", ""
        self.cookie = self._cookie()
        extra = {**({"Cookie": self.cookie} if self.cookie else {}), **(headers or {})}
        self._closing = ExitStack()
        self.socket: ClientConnection = self._closing.enter_context(
            connect(
                f"ws://{self.host}:{self.port}{self.base}/_stcore/stream",
                subprotocols=[Subprotocol("streamlit")],
                additional_headers=extra,
                max_size=None,
                open_timeout=timeout,
                compression=None,
            )
        )

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._closing.close()

    # ------------------------------------------------------------------ running

    def open(self, page: str = "", query: str = "") -> None:
        """Run the page /`page` with the address's query and without any widget state."""
        self.states.clear()
        if self.pages:
            self._query, self._page = query, self.pages[page]
            self.run()
            return
        # The first page is opened by its name, as a browser does with a link; the server then tells all pages.
        self._query, self._page, self._name = query, "", page
        self.run()
        assert self._page == self.pages[page], f"the server has no page {page!r}"

    def run(self, *, fragment: str = "", wait: bool = True) -> None:
        """Send the widgets' states, and take in what the server draws until it has finished."""
        message = BackMsg()
        request = message.rerun_script
        request.query_string, request.page_script_hash, request.fragment_id = self._query, self._page, fragment
        request.page_name = "" if self._page else self._name
        request.widget_states.widgets.extend(self.states.values())
        if not fragment:
            self.elements.clear()
            self.blocks.clear()
        self.exceptions.clear()
        self.send(message)
        if wait:
            self.finish()

    def finish(self) -> None:
        """Take in messages until a run has ended."""
        for message in self.messages():
            if message.WhichOneof("type") == "script_finished" and message.script_finished != (
                ForwardMsg.FINISHED_EARLY_FOR_RERUN
            ):
                return

    def click(self, key: str) -> None:
        """Run once with the button pressed. The key may be a widget's full id."""
        identifier = self.set(key, trigger_value=True)
        try:
            self.run()
        finally:
            del self.states[identifier]

    def set(self, key: str, *, files: Sequence[Upload] = (), **value: Any) -> str:
        """Keep a widget's value for the next runs, under the field of WidgetState that it has; returns its id."""
        identifier = self.id_of(key)
        state = WidgetState(id=identifier)
        for file in files:
            entry = state.file_uploader_state_value.uploaded_file_info.add()
            entry.file_id, entry.name, entry.size = file.id, file.name, file.size
            entry.file_urls.file_id, entry.file_urls.upload_url, entry.file_urls.delete_url = (
                file.id,
                file.url,
                file.url,
            )
        for field, content in value.items():
            if field.endswith("array_value"):
                getattr(state, field).data.extend(content)
            elif field == "string_trigger_value":
                state.string_trigger_value.data = content
            else:
                setattr(state, field, content)
        self.states[identifier] = state
        return identifier

    # ------------------------------------------------------------------ messages

    def send(self, message: BackMsg) -> None:
        self.socket.send(message.SerializeToString())

    def messages(self) -> Iterator[ForwardMsg]:
        """Messages as they come, taken in. Raises TimeoutError after `timeout` seconds without the end."""
        end = time.monotonic() + self.timeout
        while True:
            raw = self.socket.recv(timeout=max(0.01, end - time.monotonic()))
            assert isinstance(raw, bytes)
            message = ForwardMsg()
            message.ParseFromString(raw)
            self._take(message)
            yield message

    def _take(self, message: ForwardMsg) -> None:
        kind = message.WhichOneof("type")
        if kind == "new_session":
            self.session = message.new_session.initialize.session_id or self.session
            self._page = message.new_session.page_script_hash or self._page
        elif kind == "navigation":
            self.pages = {page.url_pathname: page.page_script_hash for page in message.navigation.app_pages}
            for page in message.navigation.app_pages:
                if page.is_default:
                    self.pages[""] = page.page_script_hash
            self._page = message.navigation.page_script_hash or self._page
        elif kind == "delta":
            path, delta = tuple(message.metadata.delta_path), message.delta
            if delta.WhichOneof("type") == "new_element":
                self.elements[path] = delta.new_element
                if delta.new_element.WhichOneof("type") == "exception":
                    self.exceptions.append(delta.new_element.exception.message)
            elif delta.WhichOneof("type") == "add_block":
                self.blocks[path] = delta.add_block.id
                if delta.add_block.id.endswith(_UNEXPECTED):
                    self.exceptions.append(_UNEXPECTED)

    # ------------------------------------------------------------------ what is shown

    def widgets(self) -> dict[str, tuple[str, Any]]:
        """{id: (kind of element, its message)}"""
        found = {}
        for element in self.elements.values():
            kind = element.WhichOneof("type")
            content = getattr(element, kind) if kind else None
            identifier = getattr(content, "id", "")
            if kind and isinstance(identifier, str) and identifier.startswith("$$"):
                found[identifier] = (kind, content)
        return found

    def id_of(self, key: str) -> str:
        """A widget's id by its key; a full id is returned as it is."""
        if key.startswith("$$"):
            return key
        for identifier in self.widgets():
            if identifier.endswith(f"-{key}"):
                return identifier
        raise KeyError(f"{key}; shown: {sorted(identifier.split('-')[-1] for identifier in self.widgets())}")

    def text(self) -> str:
        """All texts of the elements, as they were sent."""
        return "\n".join(str(element) for element in self.elements.values())

    def alerts(self) -> list[str]:
        return [e.alert.body for e in self.elements.values() if e.WhichOneof("type") == "alert"]

    # ------------------------------------------------------------------ HTTP

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, bytes]:
        """(status, body) of a request with this session's cookie."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=self.timeout)
        own = {"Cookie": self.cookie, "X-Xsrftoken": self.cookie.partition("=")[2]} if self.cookie else {}
        connection.request(method, path, body, {**own, **(headers or {})})
        response = connection.getresponse()
        try:
            return response.status, response.read()
        finally:
            connection.close()

    def upload_address(self, name: str) -> tuple[str, str]:
        """(id, address) under which the server expects a file of this name."""
        message = BackMsg()
        request = message.file_urls_request
        request.request_id, request.session_id = uuid.uuid4().hex, self.session
        request.file_names.append(name)
        self.send(message)
        for answer in self.messages():
            if answer.WhichOneof("type") == "file_urls_response":
                assert not answer.file_urls_response.error_msg, answer.file_urls_response.error_msg
                (urls,) = answer.file_urls_response.file_urls
                return urls.file_id, urls.upload_url
        raise AssertionError

    def upload(self, name: str, raw: bytes) -> Upload:
        """Send a file as a browser does; its status may be a refusal."""
        identifier, url = self.upload_address(name)
        boundary = uuid.uuid4().hex
        head = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        )
        body = head.encode() + raw + f"\r\n--{boundary}--\r\n".encode()
        path = url if url.startswith("/") else f"/{url}"
        headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        status, answer = self.request("PUT", self.base + path, body, headers)
        return Upload(identifier, name, len(raw), url, status, answer[:500].decode("utf-8", "replace"))

    def _cookie(self) -> str:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=self.timeout)
        connection.request("GET", f"{self.base}/_stcore/health")
        response = connection.getresponse()
        response.read()
        connection.close()
        cookies = (response.getheader("set-cookie") or "").split(", ")
        return next((cookie.split(";")[0] for cookie in cookies if "_xsrf" in cookie), "")
