"""Choosing a class: a button each where there are few, a list where there are many."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from pages.components.theme import plain

_FEW = 12


def class_picker(
    names: Sequence[str],
    *,
    key: str,
    label: str,
    help_text: str,
    default: int = 0,
    on_change: Callable[[], None] | None = None,
) -> int:
    """The number of the chosen class; what another model's classes left behind falls back to `default`."""
    numbers = range(len(names))
    if st.session_state.get(key) not in numbers:
        st.session_state[key] = min(default, len(names) - 1)
    if len(names) > _FEW:
        return int(
            st.selectbox(
                label,
                numbers,
                format_func=names.__getitem__,
                key=key,
                help=help_text,
                on_change=on_change,
                persist_state="session",
            )
        )
    chosen = st.pills(
        label,
        numbers,
        format_func=lambda number: plain(names[number]),
        required=True,
        key=key,
        help=help_text,
        on_change=on_change,
        wrap=True,
        persist_state="session",
    )
    return int(chosen or 0)
