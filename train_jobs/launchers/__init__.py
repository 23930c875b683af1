"""How a worker process is started, watched and stopped."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, Protocol


class Process(NamedTuple):
    """A process: its pid may be used again, its pid and creation time together are not, unless the clock is set."""

    pid: int
    created: float


class Launcher(Protocol):
    """Starts workers. Whoever starts a second scheduler later can ask its own launcher about the same processes."""

    def start(self, folder: Path, device: str, environment: dict[str, str]) -> Process:
        """Start training `folder` on `device`, with these environment variables added."""
        ...

    def alive(self, process: Process, folder: Path | None = None) -> bool:
        """Whether it still runs; the `folder` it works on proves it even after the clock was set."""
        ...

    def exit_code(self, process: Process) -> int | None:
        """Exit status of a process that is no longer alive, negative for a signal; None where it is not known."""
        ...

    def find(self, folder: Path) -> Process | None:
        """The living worker of `folder`, for a scheduler that died between starting it and writing that down."""
        ...

    def stop(self, process: Process, folder: Path | None = None, *, force: bool = False) -> None:
        """Ask it to save and end; with `force`, end it."""
        ...
