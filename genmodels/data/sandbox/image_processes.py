"""Warm subprocesses that decode untrusted images, limited in memory and time.

The first request starts `image_worker.py`, which loads Pillow once (half a second) and then forks a child per client
(some milliseconds). File and pixels are passed in anonymous files, so no image passes through JSON. A child that
crashes, hangs or exceeds a limit affects nothing else, and the kernel enforces its limits even if its client has ended.
The process ends with the server, because the socket between them closes.
"""

from __future__ import annotations

import atexit
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Any

import numpy as np

from genmodels.data.sandbox import image_worker
from genmodels.errors import DataError
from genmodels.system.paths import PROJECT

_GRACE = 5.0  # seconds beyond the child's own limit before the client gives up
_ENVIRONMENT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Limits:
    """Limits per image: bytes beyond the warm process's own, seconds of CPU time, seconds of wall time."""

    memory: int = 464 * 2**20  # an image of 25 million pixels needs 450, as WebP
    cpu_seconds: float = 1.25
    wall_seconds: float = 10.0


LIMITS = Limits()


@dataclass(frozen=True)
class Usage:
    """Resource usage of a child: CPU seconds so far, and peak resident bytes."""

    cpu_seconds: float
    peak_bytes: int


class _WarmProcess:
    """The process that forks the others: started by the first request, and again if it has ended."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None

    def spawn(self, limits: Limits, requests: int) -> socket.socket:
        """A channel to a new child."""
        message = image_worker.SPAWN.pack(limits.memory, limits.cpu_seconds, limits.wall_seconds, requests)
        ours, theirs = socket.socketpair()
        with theirs, self._lock:
            try:
                socket.send_fds(self._running(), [message], [theirs.fileno()])
            except OSError:  # it has ended since the last request
                self._stop()
                socket.send_fds(self._running(), [message], [theirs.fileno()])
        return ours

    def _running(self) -> socket.socket:
        if self._control is None:
            self._control, theirs = socket.socketpair()
            with theirs:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "genmodels.data.sandbox.image_worker", str(theirs.fileno())],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    cwd=PROJECT,
                    env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
                    | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
                    pass_fds=[theirs.fileno()],
                    start_new_session=True,  # Ctrl+C at the terminal goes to the server only
                )
            self._control.settimeout(_GRACE)
        return self._control

    def stop(self) -> None:
        """End the process; the next request starts another one."""
        with self._lock:
            self._stop()

    def _stop(self) -> None:
        if self._control is not None and self._process is not None:
            self._control.close()
            self._process.kill()
            self._process.wait()
        self._control = self._process = None

    def pid(self) -> int | None:
        """The process, if it runs."""
        return None if self._process is None else self._process.pid

    def forget(self) -> None:
        """Forget the process, after a fork of the server: it belongs to the parent."""
        if self._control is not None and self._process is not None:
            self._control.close()
            self._process.returncode = 0  # not a child of this process, so there is nothing to wait for
        self.__init__()  # type: ignore[misc]


warm_process = _WarmProcess()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=warm_process.forget)
atexit.register(warm_process.stop)


class Child:
    """One decoding process, to be closed after use. It answers `requests` requests, unless a limit ends it before."""

    def __init__(self, limits: Limits = LIMITS, requests: int = 1) -> None:
        self.limits, self.left = limits, requests  # requests that it still answers
        self.usage = Usage(0.0, 0)
        self._channel = warm_process.spawn(limits, requests)

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the process, at its own limits at the latest."""
        self._channel.close()

    def decode(self, task: str, raw: bytes, **arguments: Any) -> np.ndarray:
        """Run `image_files.DECODERS[task]` on a file and return its pixels, uint8; raises DataError with the reason."""
        request = json.dumps({"task": task, "arguments": arguments}).encode()
        with _anonymous_file() as source, _anonymous_file() as target:
            source.write(raw)
            source.seek(0)
            self.left -= 1
            try:
                socket.send_fds(self._channel, [request], [source.fileno(), target.fileno()])
                reply = self._reply()
            except OSError as error:
                self.left = 0
                raise DataError(f"it could not be decoded: {error}; try again") from error
            self.usage = Usage(reply.get("cpu", 0.0), int(reply.get("peak", 0)))
            if "exit" in reply:
                self.left = 0
            if "shape" not in reply:
                raise DataError(_reason(reply, self.limits))
            pixels = np.empty(reply["shape"], np.uint8)
            if pixels.nbytes != os.fstat(target.fileno()).st_size:
                raise DataError("it could not be decoded: the pixels are incomplete; try again")
            target.seek(0)
            target.readinto(pixels.reshape(-1).data)  # type: ignore[attr-defined]
        return pixels

    def _reply(self) -> Mapping[str, Any]:
        deadline = time.monotonic() + self.limits.wall_seconds + _GRACE
        received = bytearray()
        while b"\n" not in received:
            self._channel.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                block = self._channel.recv(65_536)
            except TimeoutError:
                warm_process.stop()  # its own limits did not end it
                raise
            if not block:
                raise ConnectionResetError("the process that decodes it ended")
            received += block
        reply: dict[str, Any] = json.loads(received.split(b"\n", 1)[0])
        return reply


def _reason(reply: Mapping[str, Any], limits: Limits) -> str:
    """Why a file was refused."""
    if "error" in reply:
        return str(reply["error"])
    if "memory" in reply:
        return f"it needs more memory to decode than it may use, {limits.memory >> 20} MB; scale it down"
    if "defect" in reply:
        _log.error("decoding an image failed:\n%s", reply["defect"])
        return "it cannot be decoded: the decoder failed, which the server's log describes; save it again"
    _log.warning("decoding an image ended its process: %s", reply)
    if reply["exit"] in (-signal.SIGPROF, -signal.SIGXCPU, -signal.SIGALRM):
        return (
            f"it takes more than {limits.cpu_seconds:g} seconds to decode, so it is damaged or hostile; scale it down, "
            "or save it again as a plain PNG or JPEG"
        )
    return (
        f"it crashed the decoder (exit status {reply['exit']}), so it is damaged or hostile; save it again as a plain "
        "PNG or JPEG"
    )


def _anonymous_file() -> IO[bytes]:
    """A file without a name, in memory if the system supports that."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("image"), "w+b", buffering=0)
    return tempfile.TemporaryFile(buffering=0)
