"""The sandbox's warm process: it has loaded Pillow and forks one child per client. Only `image_processes.py` starts it.

A fork costs some milliseconds, a new interpreter half a second. The child limits itself, decodes the files it receives
and writes the pixels to a file descriptor. The process ends, with its children, when the socket to the server closes.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import select
import signal
import socket
import struct
import sys
import traceback
from typing import Any

import numpy as np

from genmodels.data.formats import image_files
from genmodels.data.sandbox import limits
from genmodels.errors import DataError

SPAWN = struct.Struct("<QddI")  # memory, CPU seconds and wall-clock seconds per request, and how many requests
REQUEST_BYTES = 65_536
_OPEN_FILES = 32


def main() -> None:
    """Fork a child for each message that arrives, and report how each child ended."""
    control = socket.socket(fileno=int(sys.argv[1]))
    image_files.warm_up()
    os.chdir("/")
    gc.collect()
    gc.freeze()  # a collection in a child would copy every page
    wake, woken = os.pipe()
    os.set_blocking(woken, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
    children: dict[int, socket.socket] = {}
    while True:
        ready, _, _ = select.select([control.fileno(), wake], [], [])
        if wake in ready:
            os.read(wake, 4_096)
            _reap(children)
        if control.fileno() not in ready:
            continue
        message, handles, _, _ = socket.recv_fds(control, SPAWN.size, 1)
        if not message:
            break
        channel = socket.socket(fileno=handles[0])
        pid = os.fork()
        if pid == 0:
            _close(control, *children.values())
            os.close(wake)
            signal.set_wakeup_fd(-1)
            os.close(woken)
            _child(channel, *SPAWN.unpack(message))
        children[pid] = channel
    for pid in children:
        os.kill(pid, signal.SIGKILL)


def _reap(children: dict[int, socket.socket]) -> None:
    """Send each ended child's client its exit status and resource usage."""
    while children:
        pid, status, used = os.wait4(-1, os.WNOHANG)
        if pid == 0:
            return
        with children.pop(pid) as channel, contextlib.suppress(OSError):  # the client may have ended
            channel.sendall(_line({"exit": os.waitstatus_to_exitcode(status), **_usage(used)}))


def _close(*sockets: socket.socket) -> None:
    for opened in sockets:
        opened.close()


def _child(channel: socket.socket, memory: int, cpu: float, wall: float, requests: int) -> None:
    """Answer up to `requests` requests under these limits, then end. Never returns."""
    code = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        limits.die_with_parent()
        limits.first_to_be_killed()
        size = limits.address_space()
        limits.limit(
            memory=size + memory if size else None,
            cpu_seconds=cpu * requests + 2,
            file_bytes=memory,
            open_files=_OPEN_FILES,
        )
        for _ in range(requests):
            if not _answer(channel, cpu, wall):
                break
        code = 0
    except OSError:  # the client has ended
        code = 0
    finally:
        os._exit(code)


def _answer(channel: socket.socket, cpu: float, wall: float) -> bool:
    """Decode one image; False if the client has closed the channel."""
    message, handles, _, _ = socket.recv_fds(channel, REQUEST_BYTES, 2)
    if not message:
        return False
    request = json.loads(message)
    # Their default action ends the process, even inside a decoder's loop or after the client has ended.
    signal.setitimer(signal.ITIMER_PROF, cpu)
    signal.setitimer(signal.ITIMER_REAL, wall)
    source, target = handles
    reply = _decoded(request, source, target)
    signal.setitimer(signal.ITIMER_PROF, 0)
    signal.setitimer(signal.ITIMER_REAL, 0)
    os.close(source)
    os.close(target)
    import resource

    channel.sendall(_line({**reply, **_usage(resource.getrusage(resource.RUSAGE_SELF))}))
    return True


def _decoded(request: dict[str, Any], source: int, target: int) -> dict[str, Any]:
    try:
        with open(source, "rb", buffering=0, closefd=False) as file:
            raw = file.read()
        pixels = np.ascontiguousarray(image_files.DECODERS[request["task"]](raw, **request["arguments"]))
        view = pixels.reshape(-1).data
        while len(view):
            view = view[os.write(target, view) :]
    except DataError as error:
        return {"error": str(error)[:2_000]}
    except MemoryError:
        return {"memory": True}
    except Exception:  # noqa: BLE001 - a bug of this program: the server logs it
        return {"defect": traceback.format_exc()[-8_000:]}
    return {"shape": pixels.shape}


def _usage(used: Any) -> dict[str, float]:
    unit = 1 if sys.platform == "darwin" else 1024
    return {"cpu": used.ru_utime + used.ru_stime, "peak": used.ru_maxrss * unit}


def _line(message: dict[str, Any]) -> bytes:
    return json.dumps(message).encode() + b"\n"


if __name__ == "__main__":
    main()
