"""What the job layer says to its users."""

from __future__ import annotations

from genmodels.errors import GenmodelsError, PublicModeError

__all__ = ["JobError", "PublicModeError", "QueueError"]


class JobError(GenmodelsError):
    """A request that the state of the run does not allow."""


class QueueError(GenmodelsError):
    """The queue, the runs folder or the scheduler cannot be used."""
