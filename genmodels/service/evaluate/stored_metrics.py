"""Figures measured on this machine, in one small file of the runs folder: by checkpoint, step and time of writing."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from genmodels.errors import CheckpointError
from genmodels.runfolder import FORMAT, RunFolder, read_json, runs_root, write_json

_FILE, _MOST = "figures.json", 500


def keep(path: Path, step: int, figures: Mapping[str, float], samples: int) -> None:
    """Keep the finite ones of exactly these weights; the oldest of more than 500 steps are dropped."""
    finite = {name: value for name, value in figures.items() if is_number(value)}
    everything = {**_everything(), _key(path, step): {"figures": finite, "samples": samples, "when": time.time()}}
    newest = sorted(everything, key=lambda name: everything[name].get("when", 0))[-_MOST:]
    runs_root().mkdir(parents=True, exist_ok=True)
    write_json(runs_root() / _FILE, {name: everything[name] for name in newest})


def entry(path: Path, step: int) -> dict[str, Any]:
    """`figures` and `samples` of exactly these weights; empty where they were not measured."""
    return dict(_everything().get(_key(path, step), {}))


def is_number(value: object) -> bool:
    """Whether it can be shown as a figure."""
    return isinstance(value, int | float) and math.isfinite(value)


def _everything() -> dict[str, Any]:
    """Everything measured here; a damaged file is as good as none, it only costs measuring again."""
    path = runs_root() / _FILE
    if not path.is_file():
        return {}
    try:
        found = read_json(path)
    except CheckpointError:
        return {}
    return {key: value for key, value in found.items() if isinstance(value, dict)} if isinstance(found, dict) else {}


def _key(path: Path, step: int) -> str:
    try:
        stamp = RunFolder(path).step_path(step).stat().st_mtime_ns
    except OSError:
        stamp = 0
    return f"{path.parent.name}/{path.name} {step} {stamp} format {FORMAT}"
