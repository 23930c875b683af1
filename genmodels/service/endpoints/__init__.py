"""Requests of the Gradio interface and its API that no page has: plain values in, PNG, WAV and numbers out.

Every request is validated here, so that a REST call, a tool call and a control of the page get the same messages. The
names are imported when they are first used, because they need torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from genmodels.service.endpoints.images import (
        arithmetic,
        conditional,
        decode,
        interpolate,
        sample,
    )
    from genmodels.service.endpoints.models import describe, models

__all__ = ["arithmetic", "conditional", "decode", "describe", "interpolate", "models", "sample"]

_HOMES = {
    "images": ("arithmetic", "conditional", "decode", "interpolate", "sample"),
    "models": ("describe", "models"),
}


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"genmodels.service.endpoints.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
