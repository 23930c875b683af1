"""Errors of the job layer."""

from __future__ import annotations

from genmodels.errors import GenmodelsError, PublicModeError

__all__ = ["JobError", "PublicModeError", "QueueError"]


class JobError(GenmodelsError):
    """The state of the run does not allow the request."""


class QueueError(GenmodelsError):
    """The queue, the runs folder or the scheduler cannot be used."""
