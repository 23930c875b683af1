"""Sandboxed subprocess for decoding untrusted files: limited memory and time, killed if it hangs.

The subprocess runs a module that calls `worker.serve`. It reads one request as JSON and answers in lines of JSON.
"""

from __future__ import annotations

import contextlib
import json
import logging
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import IO, Any

from genmodels.errors import DataError
from genmodels.system.paths import PROJECT

SILENCE_SECONDS = 60.0
"""A subprocess that reports no progress for so long is killed."""
MAX_SECONDS = 1_800.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Wording:
    """Parts of error messages: what was read, what to do if it crashed or hung, what to do if it took too long."""

    subject: str
    next_step: str
    when_long: str


def run(
    module: str,
    request: Mapping[str, Any],
    wording: Wording,
    on_progress: Callable[[int, int], None] | None = None,
    silence_seconds: float = SILENCE_SECONDS,
    files: Mapping[str, IO[bytes]] | None = None,
) -> dict[str, Any]:
    """The report of a subprocess that runs `module`; killed if silent for `silence_seconds` or if the caller ends.

    `files` are open files, passed as paths under their keys in the request. Temporary ones have no name in any folder,
    so nothing is left of them even if the server is killed. Raises DataError.
    """
    files = files or {}
    request = {**request, **{key: f"/dev/fd/{file.fileno()}" for key, file in files.items()}}
    subject, began = wording.subject, time.monotonic()
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            cwd=PROJECT,
            pass_fds=[file.fileno() for file in files.values()],
        )
        assert process.stdin is not None
        try:
            with contextlib.suppress(BrokenPipeError):  # it ended at its start; its exit code is reported below
                process.stdin.write(json.dumps(request).encode())
                process.stdin.close()
            with contextlib.closing(_messages(process, silence_seconds)) as messages:
                for message in messages:
                    if message is None:
                        raise DataError(
                            f"{subject} made no progress for {silence_seconds:g} seconds and was stopped: it is "
                            f"damaged or hostile. {wording.next_step}"
                        )
                    if "error" in message:
                        raise DataError(message["error"])
                    if "count" in message:
                        return message
                    if time.monotonic() - began > MAX_SECONDS:
                        raise DataError(
                            f"{wording.subject} took more than {MAX_SECONDS / 60:.0f} minutes to read and was stopped. "
                            f"{wording.when_long}"
                        )
                    if "file" in message:
                        subject = f"{wording.subject} {message['file'][:200]!r}"
                    if on_progress is not None:
                        on_progress(message["done"], message["total"])
            code = process.wait()
            errors.seek(0)
            _log.error(
                "%s crashed its reader with %s: %s", subject, code, errors.read(20_000).decode("utf-8", "replace")
            )
        finally:
            process.kill()
            process.wait()
    raise DataError(
        f"{subject} crashed the program that reads it (exit code {code}): it is damaged, hostile, or needs more than "
        f"{request['memory'] / 2**30:.1f} GB of memory. {wording.next_step}"
    )


def _messages(process: subprocess.Popen[bytes], silence_seconds: float) -> Generator[dict[str, Any] | None, None, None]:
    """The messages of the subprocess; None if it was silent for `silence_seconds`."""
    assert process.stdout is not None
    lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    output = process.stdout

    def listen() -> None:
        with output:
            for line in output:
                lines.put(line)
        lines.put(b"")

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    try:
        while True:
            try:
                line = lines.get(timeout=silence_seconds)
            except queue.Empty:
                yield None
                return
            if not line:
                return
            yield json.loads(line)
    finally:
        process.kill()
        listener.join()
