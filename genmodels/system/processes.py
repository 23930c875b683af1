"""Process identity, age of a process's last report, and exit. Does not import torch.

Pids are reused, and the creation time of a process depends on the boot time, which changes when the clock is set. Linux
also has the start in ticks since boot; together with the boot id it never changes.
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
    """The id of the current boot; empty on systems without one."""
    try:
        return (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def identity(pid: int) -> str | None:
    """A text that identifies the process uniquely on this machine; None if it does not run."""
    if not 0 < pid < _MAX_PID:
        return None
    if sys.platform == "linux" and boot_id():
        try:
            text = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None
        # The second field is the program's name in parentheses; the name may contain spaces and parentheses.
        values = text.rpartition(")")[2].split()
        return None if values[0] in "ZX" else f"{boot_id()}:{values[19]}"
    import psutil

    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else f"{process.create_time():.3f}"
    except psutil.NoSuchProcess:
        return None


@cache
def _own_identity(pid: int) -> str | None:
    return identity(pid)


def stamp() -> dict[str, Any]:
    """Fields of a report that identify its process and time, for `is_author` and `age`."""
    pid = os.getpid()
    # The monotonic clock stops while the machine sleeps: a worker is not late because of that.
    return {
        "pid": pid,
        "process": _own_identity(pid),
        "heartbeat": time.time(),
        "boot": boot_id(),
        "monotonic": round(time.monotonic(), 3),
    }


def is_author(report: Mapping[str, Any], pid: int) -> bool:
    """Whether process `pid` runs and has written the report."""
    known = report.get("process")
    return report.get("pid") == pid and isinstance(known, str) and known == identity(pid)


def age(report: Mapping[str, Any]) -> float | None:
    """Seconds since the report was written; None if it has no valid time."""
    now, written = time.time(), report.get("heartbeat")
    if boot_id() and report.get("boot") == boot_id() and "monotonic" in report:
        now, written = time.monotonic(), report["monotonic"]
    # The report is untrusted JSON.
    return max(0.0, now - written) if isinstance(written, int | float) and abs(written) < _MAX_SECONDS else None


def seconds_running(pid: int) -> float | None:
    """Seconds since the start of the process; None if it does not run."""
    known = identity(pid)
    if known is None:
        return None
    if sys.platform == "linux" and boot_id():
        return time.clock_gettime(time.CLOCK_BOOTTIME) - int(known.rpartition(":")[2]) / os.sysconf("SC_CLK_TCK")
    return max(0.0, time.time() - float(known))


def leave(code: int) -> NoReturn:
    """Exit without finalising the interpreter. All files must have been written.

    During finalisation a native thread of torch may abort ("terminate called without an active exception"), and a
    successful process would be reported as failed.
    """
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):  # on a full disk the last log lines are lost; the exit code is not
            stream.flush()
    os._exit(code)


def leave_as(end: SystemExit) -> NoReturn:
    """Exit a command line with its exit code: immediately if torch is loaded, else through Python."""
    if "torch" not in sys.modules:
        raise end
    leave(end.code if isinstance(end.code, int) else int(end.code is not None))
