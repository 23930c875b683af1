"""Paths of this checkout. Does not import torch."""

from __future__ import annotations

from pathlib import Path

PROJECT = Path(__file__).parents[2]
"""The folder that holds `genmodels/`, `pages/`, `checkpoints/` and `runs/`; subprocesses of the studio start in it."""
