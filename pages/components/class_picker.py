"""The picker for a class: buttons if there are few classes, a list if there are many."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pages.components.choice import choose
from pages.components.theme import plain

_MAX_BUTTONS = 12


def class_picker(
    names: Sequence[str],
    *,
    key: str,
    label: str,
    help_text: str,
    default: int = 0,
    on_change: Callable[[], None] | None = None,
) -> int:
    """Show the picker and return the index of the chosen class; an index the model does not have becomes `default`."""
    numbers = range(len(names))
    few = len(names) <= _MAX_BUTTONS
    settings: dict[str, Any] = {"wrap": True} if few else {}
    return choose(
        label,
        numbers,
        (lambda number: plain(names[number])) if few else names.__getitem__,
        key=key,
        fallback=min(default, len(names) - 1),
        kind="pills" if few else "selectbox",
        help=help_text,
        on_change=on_change,
        persist_state="session",
        **settings,
    )
