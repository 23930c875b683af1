"""The data root."""

from __future__ import annotations

import os
from pathlib import Path

from genmodels.system.paths import PROJECT


def data_root() -> Path:
    """The folder where data sets are looked up and downloaded to: GENMODELS_DATA, or `data/` in the project."""
    return Path(os.environ.get("GENMODELS_DATA") or PROJECT / "data").expanduser()
