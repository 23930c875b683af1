"""Paths of this installation. Does not import torch."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

PROJECT = Path(__file__).parents[2]
"""The folder that holds `genmodels/` and `train_jobs/`; subprocesses of the studio start in it.

It is a checkout, a copy of one in a container, or the `site-packages` of an installation.
"""
CHECKOUT = (PROJECT / "pyproject.toml").is_file()
"""Whether PROJECT also holds the app, `checkpoints/` and the user's `runs/` and `data/`."""


def storage_root() -> Path:
    """The folder of `checkpoints/`, `runs/` and `data/` unless variables name others.

    It is the checkout. An installation has the user's data folder: XDG_DATA_HOME, or ~/.local/share; for a user without
    a home directory, one in the folder of temporary files. It is the same from every current folder, so a worker and
    the program that submitted its job use the same files.
    """
    if CHECKOUT:
        return PROJECT
    base = Path(os.environ.get("XDG_DATA_HOME") or "~/.local/share")
    try:
        return base.expanduser() / "genmodels"
    except RuntimeError:
        return Path(tempfile.gettempdir()) / f"genmodels-{os.getuid()}"
