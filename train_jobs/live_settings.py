"""Live hyperparameters: settings of a model that can be changed while it trains."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from genmodels import registry
from genmodels.config import live_fields
from genmodels.errors import ConfigError
from train_jobs import api
from train_jobs.status import Job


def settings_now(job: Job) -> dict[str, Any]:
    """The model's settings, including changes since it was submitted."""
    current = dict(job.folder.spec().model)
    for event in job.folder.events():
        if event.get("kind") == "set":
            current[str(event.get("path")).partition(".")[2]] = event.get("new")
    return current


def update(job_id: str, values: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Change live settings of a training job from its next step on; returns old and new value of each changed field.

    `{"cycle_weight": 4.0}` -> `{"cycle_weight": (2.0, 4.0)}`. Raises ConfigError naming the field, and changes nothing
    then, or JobError if the job is not training.
    """
    api.refuse_in_public_mode("changing a training's settings")
    job = api.job(job_id)
    settings = registry.config_class(job.model)
    live = live_fields(settings)
    for name in values:
        if name not in live:
            raise ConfigError(
                f"model.{name} cannot be changed while {job.model!r} trains; "
                + (
                    f"these can: {', '.join(f'model.{field}' for field in live)}"
                    if live
                    else "none of its settings can"
                )
            )
    current = settings_now(job)
    requested = settings.parse({**current, **values}, "model.")
    new = {name: getattr(requested, name) for name in values}
    changed = {name: (current[name], value) for name, value in new.items() if value != current[name]}
    for name, (_, value) in changed.items():
        api.request(job_id, "set", path=f"model.{name}", value=value)
    return changed
