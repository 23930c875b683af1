"""Requests of the Gradio interface and its API that no page has: plain values in, PNG, WAV and numbers out.

Every request is validated here, so that a REST call, a tool call and a control of a tab get the same messages. The
modules are imported when they are first used, because they need torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from genmodels.service.endpoints import images as images
    from genmodels.service.endpoints import models as models
    from genmodels.service.endpoints import recordings as recordings
    from genmodels.service.endpoints import uploads as uploads

__all__ = ["images", "models", "recordings", "uploads"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return import_module(f"genmodels.service.endpoints.{name}")
