"""Whether this server only shows: the one place that reads GENMODELS_PUBLIC. No torch."""

from __future__ import annotations

import os


def public_mode() -> bool:
    """Whether GENMODELS_PUBLIC is set: visitors look, nobody trains, changes or downloads anything."""
    return os.environ.get("GENMODELS_PUBLIC", "") not in ("", "0")
