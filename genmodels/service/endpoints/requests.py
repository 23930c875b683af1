"""Base classes of the requests of endpoints: an empty text stands for a missing step or class."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator

from genmodels.service.requests import ModelRequest


class StepRequest(ModelRequest):
    """A request to one saved step of a model; an empty step is the newest."""

    @field_validator("step", mode="before")
    @classmethod
    def _empty_step(cls, value: Any) -> Any:
        return None if value == "" else value


class LabelledRequest(StepRequest):
    """A model and the class to condition on; an empty class is class 0."""

    label: int | None = Field(None, ge=0, lt=10_000, description="class, counted from 0; empty takes class 0")

    @field_validator("label", mode="before")
    @classmethod
    def _empty_label(cls, value: Any) -> Any:
        return None if value == "" else value
