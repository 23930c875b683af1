"""The data root."""

from __future__ import annotations

import os
from pathlib import Path

from genmodels.system.paths import storage_root


def data_root() -> Path:
    """The folder where data sets are looked up and downloaded to: GENMODELS_DATA, or `data/`."""
    return Path(os.environ.get("GENMODELS_DATA") or storage_root() / "data").expanduser()
