"""Training jobs: a queue, a scheduler that outlives every browser tab, one worker process a job.

The names below load on first use, so that `import train_jobs` costs nothing and imports no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from train_jobs.api import (
        Job,
        delete,
        ensure_scheduler,
        get_data,
        job,
        jobs,
        public_mode,
        publish,
        rename,
        repair,
        request,
        resume,
        stop,
        submit,
        submit_pair,
    )
    from train_jobs.errors import JobError, PublicModeError, QueueError
    from train_jobs.knobs import settings_now, turn
    from train_jobs.spec import JobSpec, make_spec

_HOMES = {
    "train_jobs.api": (
        "Job",
        "delete",
        "ensure_scheduler",
        "get_data",
        "job",
        "jobs",
        "public_mode",
        "publish",
        "rename",
        "repair",
        "request",
        "resume",
        "stop",
        "submit",
        "submit_pair",
    ),
    "train_jobs.errors": ("JobError", "PublicModeError", "QueueError"),
    "train_jobs.knobs": ("settings_now", "turn"),
    "train_jobs.spec": ("JobSpec", "make_spec"),
}

__all__ = [
    "Job",
    "JobError",
    "JobSpec",
    "PublicModeError",
    "QueueError",
    "delete",
    "ensure_scheduler",
    "get_data",
    "job",
    "jobs",
    "make_spec",
    "public_mode",
    "publish",
    "rename",
    "repair",
    "request",
    "resume",
    "settings_now",
    "stop",
    "submit",
    "submit_pair",
    "turn",
]


def __getattr__(name: str) -> Any:
    for home, exported in _HOMES.items():
        if name in exported:
            return getattr(importlib.import_module(home), name)
    raise AttributeError(f"module 'train_jobs' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
