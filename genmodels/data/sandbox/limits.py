"""Limits that a process sets on itself before it reads an untrusted file. They hold even if its parent has ended."""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import signal
import sys
from pathlib import Path

_PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Make the kernel kill this process when the thread that started it ends. Linux only."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def address_space() -> int:
    """Bytes of address space this process uses now; 0 if unknown."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def limit(
    *,
    memory: int | None = None,
    cpu_seconds: float | None = None,
    file_bytes: int | None = None,
    open_files: int | None = None,
) -> None:
    """Limit this process and its children, permanently. `memory` counts the whole address space."""
    try:
        import resource
    except ImportError:  # Windows has none of these limits; the caller's timeouts still apply
        return
    limits = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_AS: memory,
        resource.RLIMIT_CPU: None if cpu_seconds is None else math.ceil(cpu_seconds),
        resource.RLIMIT_FSIZE: file_bytes,
        resource.RLIMIT_NOFILE: open_files,
    }
    for kind, value in limits.items():
        if value is not None:
            _, hard = resource.getrlimit(kind)
            value = value if hard == resource.RLIM_INFINITY else min(value, hard)
            with contextlib.suppress(ValueError, OSError):  # macOS does not implement some of them
                resource.setrlimit(kind, (value, value))


def first_to_be_killed() -> None:
    """Ask the kernel to end this process first if the machine runs out of memory. Linux only."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
