"""The interface to start, watch and stop worker processes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol


class Process(NamedTuple):
    """Identity of a process: pid and creation time, because pids are reused."""

    pid: int
    created: float


class Launcher(Protocol):
    """Starts workers. The launcher of a later scheduler can watch the same processes."""

    def start(self, folder: Path, command: Sequence[str], environment: dict[str, str]) -> Process:
        """Start the worker of `folder`, a module and its arguments, with these environment variables added."""
        ...

    def alive(self, process: Process, folder: Path | None = None) -> bool:
        """Whether it still runs; `folder`, where it reports, identifies it even after the clock was set."""
        ...

    def exit_code(self, process: Process) -> int | None:
        """Exit status of an ended process, negative for a signal; None if unknown."""
        ...

    def find(self, folder: Path) -> Process | None:
        """The running worker of `folder`, if a scheduler ended before it stored the pid; else None."""
        ...

    def stop(self, process: Process, folder: Path | None = None, *, force: bool = False) -> None:
        """Request it to save and end; with `force`, kill it."""
        ...
