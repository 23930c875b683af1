"""Which devices this machine has, told without importing torch (which would cost the scheduler 300 MB)."""

from __future__ import annotations

import os
from collections.abc import Collection
from functools import cache

from genmodels.errors import ConfigError
from genmodels.training import accelerators
from genmodels.training.accelerators import Probe


def present() -> tuple[str, ...]:
    """Devices that torch can use, the fastest first; `cpu` is always the last.

    Where a GPU seems to be here, the first call asks torch, in a process of its own: two to five seconds.
    """
    return (*_probe().usable, "cpu")


def why_not() -> str | None:
    """Why torch cannot use a GPU that seems to be here; None if it uses all, or if there is none."""
    return _probe().reason


def _probe() -> Probe:
    return _probe_of(os.environ.get("CUDA_VISIBLE_DEVICES"))


@cache
def _probe_of(_visible: str | None) -> Probe:
    return accelerators.probe_in_subprocess()


def check(wanted: str) -> None:
    """Raises ConfigError where no device of this machine fits."""
    if wanted not in ("auto", "cpu") and not _fitting(wanted):
        reason = f" ({why_not()})" if why_not() else ""
        raise ConfigError(
            f"run.device = {wanted!r} is not on this machine, which has {', '.join(present())}{reason}; "
            "choose one of them, or auto"
        )


def choose(wanted: str, busy: Collection[str] = ()) -> str | None:
    """A free device that fits, or None where the job has to wait. `auto` takes an accelerator that torch can use."""
    return next((device for device in _fitting(wanted) if device not in busy), None)


def _fitting(wanted: str) -> tuple[str, ...]:
    if wanted == "cpu":
        return ("cpu",)
    if wanted == "auto":
        return tuple(device for device in present() if device != "cpu") or ("cpu",)
    if wanted == "cuda":
        return tuple(device for device in present() if device.startswith("cuda"))
    return (wanted,) if wanted in present() else ()
