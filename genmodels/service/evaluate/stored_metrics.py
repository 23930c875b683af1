"""Metrics measured on this machine, in one small file of the runs folder, by checkpoint, step and modification time."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from genmodels.errors import CheckpointError
from genmodels.runs.files import read_json, write_json
from genmodels.runs.folder import FORMAT, RunFolder, runs_root

_FILE, _MAX_ENTRIES = "figures.json", 500


def store(path: Path, step: int, metrics: Mapping[str, float], samples: int) -> None:
    """Store the finite metrics of exactly these weights; only the newest 500 entries are kept."""
    finite = {name: value for name, value in metrics.items() if is_number(value)}
    entries = {**_entries(), _key(path, step): {"figures": finite, "samples": samples, "when": time.time()}}
    newest = sorted(entries, key=lambda name: entries[name].get("when", 0))[-_MAX_ENTRIES:]
    runs_root().mkdir(parents=True, exist_ok=True)
    write_json(runs_root() / _FILE, {name: entries[name] for name in newest})


def entry(path: Path, step: int) -> dict[str, Any]:
    """`figures` and `samples` of exactly these weights; empty if they were not measured."""
    return dict(_entries().get(_key(path, step), {}))


def is_number(value: object) -> bool:
    """Whether a value is a finite number."""
    return isinstance(value, int | float) and math.isfinite(value)


def _entries() -> dict[str, Any]:
    """All entries; a corrupt file is ignored, metrics are simply measured again."""
    path = runs_root() / _FILE
    if not path.is_file():
        return {}
    try:
        entries = read_json(path)
    except CheckpointError:
        return {}
    if not isinstance(entries, dict):
        return {}
    return {key: value for key, value in entries.items() if isinstance(value, dict)}


def _key(path: Path, step: int) -> str:
    _, _, modified = RunFolder(path).step_key(step)
    return f"{path.parent.name}/{path.name} {step} {modified} format {FORMAT}"
