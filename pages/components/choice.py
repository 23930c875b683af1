"""Selection widgets whose options are ids: two options never show the same text, and a changed text keeps the choice.

A browser sends back the text of an option, not its number, and it may send one that this server has replaced meanwhile
(a run was renamed, its state changed). So within a session a text names one id only: an option whose text equals
another's, or one that another option had before, gets its id appended. Every text shown so far leads back to its id.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeVar

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from pages.components.i18n import t

T = TypeVar("T", str, int)

One = Literal["selectbox", "pills", "segmented_control", "radio", "select_slider"]


def choose(
    label: str,
    options: Sequence[T],
    text: Callable[[T], str],
    *,
    key: str,
    fallback: T | None = None,
    kind: One = "selectbox",
    place: DeltaGenerator | None = None,
    **settings: Any,
) -> T:
    """Draws a widget in `place` and returns the chosen id.

    A value that is no option (any more) is replaced by `fallback`, or by the first option. `settings` go to the widget.
    """
    chosen = current(key, options)
    if chosen is None:
        chosen = fallback if fallback is not None and fallback in options else options[0]
    texts = distinct_texts(key, options, text)
    # Written on every run: without it the browser keeps showing the text that the option had before.
    st.session_state[key] = chosen
    draw = getattr(place or st, kind)
    settings |= {"required": True} if kind in ("pills", "segmented_control") else {}
    draw(label, options, format_func=texts.__getitem__, key=key, **settings)
    return chosen


def current(key: str, options: Sequence[T]) -> T | None:
    """The option that the widget's value in this session means; None if it has none or the option is gone."""
    return _id_of(key, st.session_state.get(key), options)


def choose_several(
    label: str,
    options: Sequence[T],
    text: Callable[[T], str],
    *,
    key: str,
    fallback: Sequence[T] = (),
    **settings: Any,
) -> list[T]:
    """Draws a multiselect and returns the chosen ids, in the order of choice; `fallback` is its first value.

    If none of a non-empty selection exists any more, `fallback` is chosen again.
    """
    memory = st.session_state
    sent = memory.get(key)
    chosen = [known for value in sent or () if (known := _id_of(key, value, options)) is not None]
    if sent is None or (sent and not chosen):
        chosen = [option for option in fallback if option in options]
    texts = distinct_texts(key, options, text)
    last = memory.get(f"{key}_last", {})
    # Not on every run: it would take back what is clicked while the page is being drawn.
    if sent != chosen or any(last.get(option) != texts[option] for option in chosen):
        memory[key] = chosen
    memory[f"{key}_last"] = texts
    st.multiselect(label, options, format_func=texts.__getitem__, key=key, **settings)
    return chosen


def distinct_texts(key: str, options: Sequence[T], text: Callable[[T], str]) -> dict[T, str]:
    """The text of each option, all of them different and none that named another option of this widget before."""
    claimed: dict[str, T] = st.session_state.setdefault(f"{key}_texts", {})
    plain = {option: _as_seen(text(option)) for option in options}
    counts = Counter(plain.values())
    texts: dict[T, str] = {}
    for option in options:
        words = plain[option]
        apart = counts[words] > 1 or (words in plain and words != option)
        while apart or claimed.get(words, option) != option:
            words, apart = t("common.told_apart", text=words, id=option), False
        claimed[words] = option
        texts[option] = words
    return texts


def _as_seen(text: str) -> str:
    """Without what no eye can tell apart: spaces at the ends and repeated ones."""
    return " ".join(text.split())


def _id_of(key: str, value: Any, options: Sequence[T]) -> T | None:
    """The option that a widget's value means: an id, or a text that it had at some time in this session."""
    if value in options:
        return value  # type: ignore[no-any-return]
    known: T | None = st.session_state.get(f"{key}_texts", {}).get(value) if isinstance(value, str) else None
    return known if known in options else None
