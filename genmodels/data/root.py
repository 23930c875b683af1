"""The data root."""

from __future__ import annotations

import os
from pathlib import Path


def data_root() -> Path:
    """The folder where data sets are looked up and downloaded to: GENMODELS_DATA, or `data/` in the project."""
    return Path(os.environ.get("GENMODELS_DATA") or Path(__file__).parents[2] / "data").expanduser()
