"""Fast versions of operations, each beside its plain reference.

GENMODELS_KERNELS=off selects the plain versions: to rule out a kernel as the cause of a fault, or to time it.
"""

from __future__ import annotations

import os

from genmodels.errors import ConfigError


def _enabled() -> bool:
    value = os.environ.get("GENMODELS_KERNELS", "on")
    if value not in ("on", "off"):
        raise ConfigError(f"GENMODELS_KERNELS={value!r} is not allowed: on (the default) or off")
    return value == "on"


ENABLED = _enabled()
"""Whether the fast versions are used. Read once, so that torch.compile sees a constant."""
