"""Runs `python -m MODULE` and `python -c PROGRAM` in new processes that need not import torch and Streamlit again.

Each is forked from an interpreter that has imported third-party libraries, but nothing of this project. It has its own
command line, environment, folder, standard streams and exit code, and imports the project itself. Two such interpreters
take turns, so that consecutive processes hash strings differently, as independent ones do.

Schedulers, workers and Streamlit's servers are started in this way by everything that runs in the tests' process or in
such a fork, and so are the processes of pytest-xdist; what a usual `python -m train_jobs` starts is usual, too. A test
of the start of a process (memory settings, `sitecustomize`, what is imported, /proc/PID/environ) needs a real start:
the fixture `real_starts`, or `subprocess.run([sys.executable, ...])` of another module.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import json
import os
import random
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
import types
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).parents[2]
# What commands, trainings and servers import sooner or later: torch._dynamo with the first optimiser.
_LIBRARIES = (
    "torch._dynamo", "torch.nn.functional", "safetensors.torch", "numpy", "pydantic", "typer", "yaml", "PIL.Image",
    "PIL.PngImagePlugin", "h5py", "soundfile", "psutil", "streamlit.web.cli", "streamlit.web.bootstrap", "pandas",
    "uvicorn.protocols.http.h11_impl", "starlette.applications", "starlette.middleware.sessions", "websockets.server",
    "streamlit.components.v2.manifest_scanner",
)  # fmt: skip
FORKED = {
    *("streamlit", "train_jobs", "train_jobs.scheduler", "train_jobs.worker", "train_jobs.task_worker"),
    "benchmarks.translation",
}
_COMMAND_LINE = 4000  # bytes for the command line that a fork shows
# In a fork, subprocess.Popen is already that of the preloaded interpreter.
UsualPopen: type[subprocess.Popen] = getattr(subprocess.Popen, "usual", subprocess.Popen)


class Popen(UsualPopen):
    """A subprocess.Popen whose process is forked, if it runs a module of `FORKED` or `always`; else a usual one.

    The process is no child of the caller: it goes on, and nobody has to reap it, when the caller has ended.
    """

    usual = UsualPopen

    def __init__(self, args: Sequence[str], *more: Any, always: bool = False, **settings: Any) -> None:
        forked = not isinstance(args, str) and [*args[:2]] == [sys.executable, "-m"] and args[2] in FORKED
        if not isinstance(args, str) and [*args[:3]] == [sys.executable, "-u", "-c"]:  # a process of pytest-xdist
            args, forked = [args[0], *args[2:]], True
        self._forked = always or (forked and settings.get("preexec_fn") is None and not settings.get("pass_fds"))
        self._socket: socket.socket | None = None
        super().__init__(args, *more, **settings)

    # subprocess.Popen passes its arguments by position.
    def _execute_child(self, args, executable, preexec_fn, close_fds, pass_fds, cwd, env, *more):  # type: ignore[no-untyped-def]
        if not self._forked:
            super()._execute_child(args, executable, preexec_fn, close_fds, pass_fds, cwd, env, *more)
            return
        _startupinfo, _flags, _shell, *pipes = more[:9]
        new_session = more[14]
        streams = [theirs if theirs != -1 else number for number, theirs in enumerate(_theirs(pipes))]
        request = {"words": [*args[1:]], "env": {**(os.environ if env is None else env)}, "cwd": str(cwd or Path.cwd())}
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.connect("\0" + _turn())
        with tempfile.TemporaryFile() as text:
            text.write(json.dumps({**request, "session": bool(new_session)}).encode())
            text.flush()
            socket.send_fds(self._socket, [b"run"], [text.fileno(), *streams])
        self._socket.settimeout(60)  # the interpreter may still import
        self.pid = int(self._socket.recv(64))
        self._socket.settimeout(None)
        self._socket.send(b"go on")
        self._child_created = True
        self._close_pipe_fds(*pipes)

    def _try_wait(self, wait_flags: int) -> tuple[int, int]:
        if self._socket is None:
            return super()._try_wait(wait_flags)
        try:
            answer = self._socket.recv(64, socket.MSG_DONTWAIT if wait_flags else 0)
        except BlockingIOError:
            return 0, 0
        if not answer:
            raise RuntimeError("the preloaded interpreter has ended")
        self._socket.close()
        return self.pid, int(answer)

    def _internal_poll(self, *more: Any, **settings: Any) -> int | None:
        if self._socket is None:
            return super()._internal_poll(*more, **settings)
        if self.returncode is None and self._waitpid_lock.acquire(blocking=False):
            try:
                if self.returncode is None:
                    pid, status = self._try_wait(os.WNOHANG)
                    if pid:
                        self._handle_exitstatus(status)
            finally:
                self._waitpid_lock.release()
        return self.returncode


def _theirs(pipes: Sequence[int]) -> tuple[int, int, int]:
    """The child's standard streams, of (p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite)."""
    return pipes[0], pipes[3], pipes[5]


_started: list[subprocess.Popen[bytes]] = []
_SHARED = "GENMODELS_TEST_INTERPRETERS"
_turns = count()


def share() -> None:
    """Start both interpreters for this process and those that it starts, each of which would otherwise start two."""
    os.environ[_SHARED] = f"{_start()} {_start()}"


def _turn() -> str:
    """The name of the socket of the interpreter whose turn it is."""
    if _SHARED not in os.environ:
        share()
    names = os.environ[_SHARED].split()
    return names[next(_turns) % len(names)]


def _start() -> str:
    """Start an interpreter that ends with this process, and return the name of its socket."""
    name = f"genmodels-tests-{os.getpid()}-{len(_started)}"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind("\0" + name)
        listener.listen()
        command = [sys.executable, __file__, str(listener.fileno()), " " * _COMMAND_LINE]
        _started.append(UsualPopen(command, pass_fds=[listener.fileno()], env=environment, stdin=subprocess.PIPE))
    return name


def python(
    *words: str, env: Mapping[str, str] | None = None, cwd: Path = ROOT, timeout: float = 120
) -> subprocess.CompletedProcess[str]:
    """Like subprocess.run([sys.executable, *words], capture_output=True, text=True) with `env` added; no input."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = Popen(
            [sys.executable, *words],
            always=True,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            cwd=cwd,
            env={**os.environ, **(env or {})},
        )
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
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
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the forks
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
    """Fork what a connection requests, which answers with its pid; when it has ended, answer with its exit status."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    message, files, _, _ = socket.recv_fds(connection, 64, 4)
    if not message:
        os._exit(0)  # the caller has ended
    pid = os.fork()
    if pid == 0:
        _end(_run(connection, files[0], files[1:]))
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(nothing, stream)
    for file in files:
        os.close(file)
    _, status = os.waitpid(pid, 0)
    with suppress(OSError):  # the caller has ended
        connection.send(str(status).encode())
    os._exit(0)


def _run(connection: socket.socket, text: int, streams: list[int]) -> BaseException | None:
    """Be the process that the request describes; returns the exception that ended it."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.lseek(text, 0, os.SEEK_SET)
    with os.fdopen(text) as file:
        request = json.load(file)
    if request["session"]:
        os.setsid()
    _show_command_line([sys.executable, *request["words"]])
    known = b""
    with connection, suppress(OSError):
        connection.send(str(os.getpid()).encode())
        known = connection.recv(64)
    if not known:
        os._exit(0)  # the caller was killed before it knew of this process
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["cwd"])
    random.seed()
    sys.modules["numpy"].random.seed()
    kind, what, *arguments = request["words"]
    sys.argv = [kind, *arguments]
    added = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    sys.path[:] = [request["cwd"] if kind == "-m" else "", *added, *sys.path[1:]]  # without the folder of this file
    subprocess.Popen = Popen  # its processes are forked, too
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


def _show_command_line(words: Sequence[str]) -> None:
    """Let other processes see this command line, over the one this interpreter was started with."""
    # Fields 48 and 49 of proc(5); the second field, the program's name, may contain spaces.
    start, end = map(int, Path("/proc/self/stat").read_text().rpartition(")")[2].split()[45:47])
    text = "\0".join(words).encode()[: end - start - 1]
    ctypes.memset(start, 0, end - start)
    ctypes.memmove(start, text, len(text))


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
