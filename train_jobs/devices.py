"""Which devices this machine has, told without importing torch (which would cost the scheduler 300 MB)."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Collection
from functools import cache
from importlib import metadata
from pathlib import Path

from genmodels.errors import ConfigError


@cache
def present() -> tuple[str, ...]:
    """Device names, the fastest first; `cpu` is always the last."""
    if sys.platform == "darwin":
        return ("mps", "cpu") if platform.machine() == "arm64" else ("cpu",)
    return (*(f"cuda:{index}" for index in range(_count_gpus())), "cpu")


def _count_gpus() -> int:
    try:
        if metadata.version("torch").endswith("+cpu"):
            return 0
    except metadata.PackageNotFoundError:
        return 0
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return len([part for part in visible.split(",") if part.strip() and part.strip() != "-1"])
    found = len([path for path in Path("/dev").glob("nvidia*") if path.name.removeprefix("nvidia").isdigit()])
    program = shutil.which("nvidia-smi")
    if found or program is None:
        return found
    try:  # WSL has GPUs without device files
        answer = subprocess.run([program, "-L"], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return 0
    return sum(line.startswith("GPU ") for line in answer.stdout.splitlines())


def check(wanted: str) -> None:
    """Raises ConfigError where no device of this machine fits."""
    if wanted not in ("auto", "cpu") and not _fitting(wanted):
        raise ConfigError(
            f"run.device = {wanted!r} is not on this machine, which has {', '.join(present())}; "
            "choose one of them, or auto"
        )


def choose(wanted: str, busy: Collection[str] = ()) -> str | None:
    """A free device that fits, or None where the job has to wait. `auto` takes an accelerator wherever there is one."""
    return next((device for device in _fitting(wanted) if device not in busy), None)


def _fitting(wanted: str) -> tuple[str, ...]:
    if wanted == "auto":
        return tuple(device for device in present() if device != "cpu") or ("cpu",)
    if wanted == "cuda":
        return tuple(device for device in present() if device.startswith("cuda"))
    return (wanted,) if wanted in present() else ()
