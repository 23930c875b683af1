"""Finds the accelerators (GPUs) of this machine that torch can use, and the reason for those it cannot.

`candidates` reads only files and the environment. `probe` imports torch, which takes 300 MB: processes that must stay
small run `python -m genmodels.training.accelerators`, which prints the result as JSON.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import warnings
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

from genmodels.system.paths import PROJECT

_SECONDS = 120  # a first CUDA call on a machine with many GPUs takes 20 s


@dataclass(frozen=True)
class Probe:
    """Names of usable devices, the fastest first, and the reason for the others."""

    usable: tuple[str, ...] = ()
    reason: str | None = None


def candidates() -> tuple[str, ...]:
    """Devices that probably exist; empty without a GPU, and for a CPU build of torch."""
    if sys.platform == "darwin":
        return ("mps",) if platform.machine() == "arm64" else ()
    return tuple(f"cuda:{index}" for index in range(_count_gpus()))


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


def probe() -> Probe:
    """The devices that torch can use, each tested with an addition. Imports torch only if there are candidates."""
    if not candidates():
        return Probe()
    import torch

    if sys.platform == "darwin":
        names = ["mps"] if torch.backends.mps.is_available() else []
        absent = f"torch {torch.__version__} finds no Metal device; it needs macOS 12.3 or newer"
    else:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            names = [f"cuda:{index}" for index in range(torch.cuda.device_count() if torch.cuda.is_available() else 0)]
        absent = _first_line(caught[-1].message) if caught else _cuda_error()
    problems = {name: problem for name in names if (problem := _problem(name))}
    usable = tuple(name for name in names if name not in problems)
    reasons = [f"{name}: {problem}" for name, problem in problems.items()] or ([] if names else [absent])
    return Probe(usable, "; ".join(reasons) or None)


def probe_in_subprocess() -> Probe:
    """As `probe`, in a new process: a driver that crashes or hangs does not affect the caller."""
    if not candidates():
        return Probe()
    command = [sys.executable, "-m", "genmodels.training.accelerators"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False, cwd=PROJECT)
        result = json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else None
    except subprocess.TimeoutExpired:
        return Probe(reason=f"torch did not answer within {_SECONDS} s when searching for GPUs")
    except (OSError, ValueError, IndexError) as error:
        return Probe(reason=f"searching for GPUs failed: {error}")
    if result is None:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        return Probe(reason=f"searching for GPUs failed: {lines[-1]}")
    return Probe(tuple(result["usable"]), result["reason"])


def _cuda_error() -> str:
    import torch

    try:
        torch.cuda.init()  # type: ignore[no-untyped-call]
    except (RuntimeError, AssertionError) as error:
        return _first_line(error)
    return f"torch {torch.__version__} finds no CUDA device"


def _problem(name: str) -> str | None:
    """Why torch cannot use a device; None if it can, or if another program uses it exclusively now."""
    import torch

    try:
        torch.ones(1, device=name).add_(1).item()
    except torch.OutOfMemoryError:
        return None
    except (RuntimeError, AssertionError) as error:
        return None if "busy or unavailable" in str(error) else _first_line(error)
    return None


def _first_line(error: object) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].strip()


if __name__ == "__main__":
    print(json.dumps(asdict(probe())))
