"""Settings of a model that may be turned while it trains: the live fields of its config."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from genmodels import registry
from genmodels.config import live_fields
from genmodels.errors import ConfigError
from train_jobs import api
from train_jobs.views import Job


def settings_now(job: Job) -> dict[str, Any]:
    """The model's settings with what has been turned since it was submitted."""
    current = dict(job.folder.spec().config)
    for event in job.folder.events():
        if event.get("kind") == "set":
            current[str(event.get("path")).partition(".")[2]] = event.get("new")
    return current


def turn(job_id: str, values: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Give live settings of a training model other values; they hold from its next step on.

    `{"cycle_weight": 4.0}` -> `{"cycle_weight": (2.0, 4.0)}`: old and new of what changes, all of it or, with a
    ConfigError that names the field, nothing. Raises JobError where it does not train.
    """
    api.refuse_in_public_mode("steering a training")
    job = api.job(job_id)
    settings = registry.config_class(job.model)
    live = live_fields(settings)
    for name in values:
        if name not in live:
            raise ConfigError(
                f"model.{name} cannot be turned while {job.model!r} trains; "
                + (f"what can: {', '.join(f'model.{field}' for field in live)}" if live else "nothing of it can")
            )
    current = settings_now(job)
    wanted = settings.parse({**current, **values}, "model.")
    new = {name: getattr(wanted, name) for name in values}
    changed = {name: (current[name], value) for name, value in new.items() if value != current[name]}
    for name, (_, value) in changed.items():
        api.request(job_id, "set", path=f"model.{name}", value=value)
    return changed
