"""The devices of this machine, found without importing torch, which would cost the scheduler 300 MB."""

from __future__ import annotations

import os
from collections.abc import Collection
from functools import cache

from genmodels.errors import ConfigError
from genmodels.training import accelerators
from genmodels.training.accelerators import Probe


def present() -> tuple[str, ...]:
    """Devices that torch can use, the fastest first; `cpu` is always last.

    If a GPU seems to be present, the first call asks torch in a subprocess: two to five seconds.
    """
    return (*_probe().usable, "cpu")


def why_not() -> str | None:
    """Why torch cannot use a GPU that seems to be present; None if it can, or if there is none."""
    return _probe().reason


def _probe() -> Probe:
    return _probe_of(os.environ.get("CUDA_VISIBLE_DEVICES"))


@cache
def _probe_of(_visible: str | None) -> Probe:
    return accelerators.probe_in_subprocess()


def check(requested: str) -> None:
    """Raise ConfigError if no device of this machine matches."""
    if requested not in ("auto", "cpu") and not _matching(requested):
        reason = f" ({why_not()})" if why_not() else ""
        raise ConfigError(
            f"run.device = {requested!r} is not on this machine, which has {', '.join(present())}{reason}; "
            "choose one of them, or auto"
        )


def choose(requested: str, busy: Collection[str] = ()) -> str | None:
    """A free matching device, or None if the job has to wait. `auto` prefers an accelerator that torch can use."""
    return next((device for device in _matching(requested) if device not in busy), None)


def _matching(requested: str) -> tuple[str, ...]:
    if requested == "cpu":
        return ("cpu",)
    if requested == "auto":
        return tuple(device for device in present() if device != "cpu") or ("cpu",)
    if requested == "cuda":
        return tuple(device for device in present() if device.startswith("cuda"))
    return (requested,) if requested in present() else ()
