"""Public mode: the only place that reads GENMODELS_PUBLIC. Does not import torch."""

from __future__ import annotations

import logging
import os
from functools import cache

_YES, _NO = ("1", "true", "yes", "on"), ("0", "false", "no", "off")
_log = logging.getLogger(__name__)


def public_mode() -> bool:
    """Whether this server is public: visitors cannot train, change or download anything.

    GENMODELS_PUBLIC decides. If it is unset, a Hugging Face Space (SPACE_ID) is public. Any value but yes and no counts
    as yes: a typing error must not make a server writable.
    """
    value = os.environ.get("GENMODELS_PUBLIC", "").strip().lower()
    if not value:
        return bool(os.environ.get("SPACE_ID"))
    if value not in _YES + _NO:
        _warn(value)
    return value not in _NO


@cache
def _warn(value: str) -> None:
    _log.warning(
        "GENMODELS_PUBLIC is %r, which is neither of %s nor of %s: the server is public, as with 1",
        value,
        ", ".join(_YES),
        ", ".join(_NO),
    )
