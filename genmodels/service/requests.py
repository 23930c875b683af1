"""The base class of the requests that name a model."""

from __future__ import annotations

from pydantic import Field

from genmodels.config import Frozen


class ModelRequest(Frozen):
    """A request to one saved step of a model."""

    model: str = Field(min_length=1, max_length=200, description="name of a checkpoint or run")
    step: int | None = Field(None, ge=0, description="saved step; empty takes the newest")
