"""Runs `python -m MODULE` and `python -c PROGRAM` in new processes that need not import torch again.

Each is forked from an interpreter that has imported third-party libraries, but nothing of this project. It has its own
arguments, environment, folder, standard streams and exit code, and imports the project itself. Two such interpreters
take turns, so that consecutive processes hash strings differently, as independent ones do.

A test of the start of a process (memory settings, `sitecustomize`, what is imported), or of its command line as other
processes see it, needs a real start: `subprocess.run([sys.executable, ...])`.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import random
import runpy
import select
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
import types
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).parents[2]
# What commands and trainings import sooner or later: torch._dynamo with the first optimiser.
_LIBRARIES = (
    "torch._dynamo", "torch.nn.functional", "safetensors.torch", "numpy", "pydantic", "typer", "yaml", "PIL.Image",
    "PIL.PngImagePlugin", "h5py", "soundfile", "psutil",
)  # fmt: skip


class _Interpreter:
    """A process that forks: each request names what the fork runs, with three files as its standard streams."""

    def __init__(self, name: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.connect("\0" + name)

    def run(self, request: bytes, files: list[int], timeout: float) -> int:
        """The exit code as `subprocess` gives it; raises TimeoutError after ending the process."""
        with tempfile.TemporaryFile() as text:
            text.write(request)
            text.flush()
            socket.send_fds(self._socket, [b"run"], [text.fileno(), *files])
            pid = int(self._answer(max(60, timeout)))  # it may still import
            try:
                return int(self._answer(timeout))
            except TimeoutError:
                os.kill(pid, 9)
                self._answer(60)
                raise

    def _answer(self, timeout: float) -> bytes:
        self._socket.settimeout(timeout)
        if not (answer := self._socket.recv(64)):
            raise RuntimeError("the preloaded interpreter has ended")
        return answer


_interpreters: list[_Interpreter] = []
_started: list[subprocess.Popen[bytes]] = []
_SHARED = "GENMODELS_TEST_INTERPRETERS"


def share() -> None:
    """Start both interpreters for the processes that this one starts, each of which would otherwise start two."""
    os.environ[_SHARED] = f"{_start()} {_start()}"


def _start() -> str:
    """Start an interpreter that ends with this process, and return the name of its socket."""
    name = f"genmodels-tests-{os.getpid()}-{len(_started)}"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind("\0" + name)
        listener.listen()
        command, inherited = [sys.executable, __file__, str(listener.fileno())], [listener.fileno()]
        _started.append(subprocess.Popen(command, pass_fds=inherited, env=environment, stdin=subprocess.PIPE))
    return name


def python(
    *words: str, env: Mapping[str, str] | None = None, cwd: Path = ROOT, timeout: float = 120
) -> subprocess.CompletedProcess[str]:
    """Like subprocess.run([sys.executable, *words], capture_output=True, text=True) with `env` added; no input."""
    if len(_interpreters) < 2:
        shared = os.environ.get(_SHARED, "").split()
        _interpreters.append(_Interpreter(shared[len(_interpreters)] if shared else _start()))
    else:
        _interpreters.reverse()
    request = json.dumps({"words": words, "env": {**os.environ, **(env or {})}, "cwd": str(cwd)}).encode()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, Path(os.devnull).open("rb") as empty:
        streams = [file.fileno() for file in (empty, out, err)]
        try:
            code = _interpreters[-1].run(request, streams, timeout)
        except TimeoutError as error:
            raise subprocess.TimeoutExpired([*words], timeout) from error
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess([sys.executable, *words], code, out.read().decode(), err.read().decode())


def _listen(listener: socket.socket) -> NoReturn:
    """Import the libraries; then fork for each connection, until the standard input ends with the tests."""
    gc.disable()
    for name in _LIBRARIES:
        __import__(name)
    gc.collect()
    gc.enable()
    gc.freeze()  # a fork neither searches these objects nor copies their memory
    while True:
        ready, _, _ = select.select([listener, sys.stdin], [], [])
        if sys.stdin in ready:
            os._exit(0)
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            _serve(connection)
        connection.close()


def _serve(connection: socket.socket) -> NoReturn:
    """Fork for each request of a connection, and answer with the pid and the exit code."""
    path = sys.path[1:]  # without the folder of this file
    while True:
        message, files, _, _ = socket.recv_fds(connection, 64, 4)
        if not message:
            os._exit(0)  # the tests have ended
        pid = os.fork()
        if pid == 0:
            connection.close()
            _end(_run(files[0], files[1:], path))
        for file in files:
            os.close(file)
        connection.send(str(pid).encode())
        _, status = os.waitpid(pid, 0)
        connection.send(str(os.waitstatus_to_exitcode(status)).encode())


def _run(text: int, streams: list[int], path: list[str]) -> BaseException | None:
    """Be the process that the request describes; returns the exception that ended it."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.lseek(text, 0, os.SEEK_SET)
    with os.fdopen(text) as file:
        request = json.load(file)
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["cwd"])
    random.seed()
    sys.modules["numpy"].random.seed()
    kind, what, *arguments = request["words"]
    sys.argv = [kind, *arguments]
    added = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    sys.path[:] = [request["cwd"] if kind == "-m" else "", *added, *path]
    try:
        if kind == "-m":
            runpy.run_module(what, run_name="__main__", alter_sys=True)
        else:
            sys.modules["__main__"] = module = types.ModuleType("__main__")
            # runpy runs modules and files only; from a temporary file, __main__ and sys.argv would name that file.
            exec(compile(what, "<string>", "exec"), module.__dict__)
    except BaseException as error:  # noqa: BLE001  # the process ends with it
        return error
    return None


def _end(error: BaseException | None) -> NoReturn:
    """Leave as an interpreter does, but without destroying every object, which takes as long as a short command."""
    code = 0
    if isinstance(error, SystemExit):
        code = error.code if isinstance(error.code, int) else error.code is not None
        if not isinstance(error.code, int | None):
            print(error.code, file=sys.stderr)
    elif error is not None:
        traceback.print_exception(error)
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]  # waits for threads that are no daemons
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(int(code))


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as _listener:
        _listen(_listener)
