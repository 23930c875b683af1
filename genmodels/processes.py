"""Identity of a process, age of its last report on clocks that nobody can set, and its end. No torch.

A pid is used again, and the creation time that the system reports is counted from a boot time, which moves when the
clock is set. Linux also keeps the start in ticks since boot; together with the id of the boot it never changes.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

_PROC = Path("/proc")
_MAX_PID, _MAX_SECONDS = 2**31, 1e12


@cache
def boot_id() -> str:
    """The id of this start of the machine; empty on systems that have none."""
    try:
        return (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def identity(pid: int) -> str | None:
    """A text that names the process and no other one, on this machine; None if it does not run."""
    if not 0 < pid < _MAX_PID:
        return None
    if sys.platform == "linux" and boot_id():
        try:
            text = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None
        # The second field is the program's name in parentheses; it may hold spaces and parentheses itself.
        values = text.rpartition(")")[2].split()
        return None if values[0] in "ZX" else f"{boot_id()}:{values[19]}"
    import psutil

    try:
        found = psutil.Process(pid)
        return None if found.status() == psutil.STATUS_ZOMBIE else f"{found.create_time():.3f}"
    except psutil.NoSuchProcess:
        return None


@cache
def _own_identity(pid: int) -> str | None:
    return identity(pid)


def stamp() -> dict[str, Any]:
    """What a report says of the process that writes it, and when: for `is_author` and `age`."""
    pid = os.getpid()
    # The monotonic clock stands still while the machine sleeps: a worker that slept with it is not late.
    return {
        "pid": pid,
        "process": _own_identity(pid),
        "heartbeat": time.time(),
        "boot": boot_id(),
        "monotonic": round(time.monotonic(), 3),
    }


def is_author(report: Mapping[str, Any], pid: int) -> bool:
    """Whether the process `pid` runs and wrote the report."""
    known = report.get("process")
    return report.get("pid") == pid and isinstance(known, str) and known == identity(pid)


def age(report: Mapping[str, Any]) -> float | None:
    """Seconds since the report was written; None if it does not say when."""
    now, written = time.time(), report.get("heartbeat")
    if boot_id() and report.get("boot") == boot_id() and "monotonic" in report:
        now, written = time.monotonic(), report["monotonic"]
    # The report is a file that anything may have written.
    return max(0.0, now - written) if isinstance(written, int | float) and abs(written) < _MAX_SECONDS else None


def seconds_running(pid: int) -> float | None:
    """How long the process has run; None if it does not run."""
    known = identity(pid)
    if known is None:
        return None
    if sys.platform == "linux" and boot_id():
        return time.clock_gettime(time.CLOCK_BOOTTIME) - int(known.rpartition(":")[2]) / os.sysconf("SC_CLK_TCK")
    return max(0.0, time.time() - float(known))


def leave(code: int) -> NoReturn:
    """End the process without taking the interpreter down; all is on disk.

    A native thread of torch may abort on the way ("terminate called without an active exception"), and what has
    finished would read as failed.
    """
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):  # a full disk cannot take the last lines of the log; the exit code tells how it ended
            stream.flush()
    os._exit(code)


def leave_as(end: SystemExit) -> NoReturn:
    """End a command line with its exit code: at once if torch is loaded, else as Python does."""
    if "torch" not in sys.modules:
        raise end
    leave(end.code if isinstance(end.code, int) else int(end.code is not None))
