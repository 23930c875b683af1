"""Training jobs: a queue, a scheduler that runs independently of any browser, and one worker process per job.

The names below are imported on first use, so `import train_jobs` is fast and imports no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from train_jobs.api import (
        delete,
        ensure_scheduler,
        get_data,
        job,
        jobs,
        public_mode,
        publish,
        rename,
        request,
        stop,
        watch_scheduler,
    )
    from train_jobs.errors import JobError, PublicModeError, QueueError
    from train_jobs.importing import import_run
    from train_jobs.live_settings import settings_now, update
    from train_jobs.recovery import repair
    from train_jobs.spec import JobSpec, make_spec
    from train_jobs.status import Job
    from train_jobs.submission import resume, submit, submit_pair

_EXPORTS = {
    "Job": "status",
    "JobError": "errors",
    "JobSpec": "spec",
    "PublicModeError": "errors",
    "QueueError": "errors",
    "delete": "api",
    "ensure_scheduler": "api",
    "get_data": "api",
    "import_run": "importing",
    "job": "api",
    "jobs": "api",
    "make_spec": "spec",
    "public_mode": "api",
    "publish": "api",
    "rename": "api",
    "repair": "recovery",
    "request": "api",
    "resume": "submission",
    "settings_now": "live_settings",
    "stop": "api",
    "submit": "submission",
    "submit_pair": "submission",
    "update": "live_settings",
    "watch_scheduler": "api",
}
"""Public name -> module."""

__all__ = [
    "Job",
    "JobError",
    "JobSpec",
    "PublicModeError",
    "QueueError",
    "delete",
    "ensure_scheduler",
    "get_data",
    "import_run",
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
    "update",
    "watch_scheduler",
]


def __getattr__(name: str) -> Any:
    if name in _EXPORTS:
        return getattr(importlib.import_module(f"train_jobs.{_EXPORTS[name]}"), name)
    raise AttributeError(f"module 'train_jobs' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
