"""Whether this server only shows: the one place that reads GENMODELS_PUBLIC. No torch."""

from __future__ import annotations

import logging
import os
from functools import cache

_YES, _NO = ("1", "true", "yes", "on"), ("0", "false", "no", "off")
_log = logging.getLogger(__name__)


def public_mode() -> bool:
    """Whether visitors only look: nobody trains, changes or downloads anything.

    GENMODELS_PUBLIC decides. Unset, a Hugging Face Space (SPACE_ID) is public. A value that is neither yes nor no
    counts as yes: a typing error must not open a server to everybody.
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
