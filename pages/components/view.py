"""A page's view in its address: session values as parameters, of which those at their defaults are left out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import streamlit as st

from genmodels.runs.catalog import CheckpointInfo
from pages.components import address
from pages.components.model_choice import is_learning


@dataclass(frozen=True)
class Field:
    """The session value `key`, usually a widget's, as `?name=`.

    `parse` raises ValueError for a text that is not valid here, and `allowed` describes the valid ones.
    """

    name: str
    key: str
    parse: Callable[[str], Any]
    allowed: str
    default: Any
    text: Callable[[Any], str] = str


def switch(name: str, key: str, *, default: bool = False) -> Field:
    """A field of a toggle: 1 is on, 0 is off."""
    return Field(name, key, lambda text: address.integer(0, 1)(text) == 1, "`0`, `1`", default, lambda on: str(int(on)))


def class_of(name: str, key: str, count: int, default: int = 0) -> Field:
    """A field of one of `count` classes, by its index."""
    return Field(name, key, address.integer(0, count - 1), address.between(0, count - 1), min(default, count - 1))


def choice_of(name: str, key: str, choices: Iterable[str], default: str) -> Field:
    """A field of one of a few words."""
    words = tuple(choices)
    return Field(name, key, address.member(words), address.one_of(words), default)


def read(page: str, fields: Iterable[Field]) -> None:
    """Set the session values to what the address requests; what it leaves out gets its default or stays."""
    fields = list(fields)
    left_out = address.left_out(page, [field.name for field in fields])
    for field in fields:
        if field.name in left_out:
            st.session_state[field.key] = field.default
        address.bind(
            page,
            field.name,
            field.key,
            field.parse,
            address.problem(field.name, field.allowed),
            default=field.default,
        )


def write(page: str, fields: Iterable[Field], **others: str | None) -> None:
    """Write the view to the address, and `others`, parameters of which the page makes the text itself."""
    values = {field.name: st.session_state.get(field.key, field.default) for field in fields}
    texts = {
        field.name: None if values[field.name] == field.default else field.text(values[field.name]) for field in fields
    }
    address.write_view(page, {**texts, **others})


def step_text(info: CheckpointInfo, step: int) -> str | None:
    """The text of `?step=`: none for the newest step of a run that still trains, so that a link follows it."""
    return None if step == info.steps[-1] and is_learning(info) else str(step)
