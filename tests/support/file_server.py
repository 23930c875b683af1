"""An HTTP server of a few files on this machine, for downloads."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class FileServer:
    url: str
    go_on: threading.Event = field(default_factory=threading.Event)
    """Not set: the server waits after the first half of each file."""


@contextmanager
def serving(files: Mapping[str, bytes], *, hesitating: bool = False) -> Iterator[FileServer]:
    """Serve `files` by name during the block; if `hesitating`, half of each until `go_on` is set."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = files.get(self.path.strip("/"))
            if content is None:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            half = len(content) // 2
            self.wfile.write(content[:half])
            self.wfile.flush()
            found.go_on.wait(30)
            self.wfile.write(content[half:])

        def log_message(self, format: str, *values: object) -> None:
            """Write nothing to the tests' output."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found = FileServer(f"http://127.0.0.1:{server.server_port}")
    if not hesitating:
        found.go_on.set()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        found.go_on.set()
        server.shutdown()
        server.server_close()
        thread.join()
