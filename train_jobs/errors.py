"""Errors of the job layer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from genmodels.errors import GenmodelsError, PublicModeError

__all__ = ["JobError", "PublicModeError", "QueueError", "writing_to"]


class JobError(GenmodelsError):
    """The state of the run does not allow the request."""


class QueueError(GenmodelsError):
    """The queue, the runs folder or the scheduler cannot be used."""


@contextmanager
def writing_to(root: Path) -> Iterator[None]:
    """Raise QueueError with cause and next step if the block cannot write to the runs folder."""
    try:
        yield
    except OSError as error:
        raise QueueError(
            f"{root} cannot be written: {error.strerror or error}. Free some space, make it writable, or set "
            "GENMODELS_RUNS to another folder; existing runs are untouched"
        ) from error
