"""Selection widgets whose options are ids: the texts of the options are unique, and a changed text keeps the choice.

A browser sends the text of an option instead of its index, and the text may be out of date: a run was renamed, or its
state changed. So within a session each text means one id. An option whose text equals that of another option, now or
earlier, gets its id appended, and every text that was ever shown is mapped to its id.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeVar

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from pages.components.i18n import t

T = TypeVar("T", bound=str | int)

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
    """Show a widget in `place` and return the chosen id.

    A value that is not an option is replaced by `fallback`, or by the first option. `settings` go to the widget.
    """
    chosen = current(key, options)
    if chosen is None:
        chosen = fallback if fallback is not None and fallback in options else options[0]
    texts = distinct_texts(key, options, text)
    # Set on every run: otherwise the browser keeps showing the option's previous text.
    st.session_state[key] = chosen
    show = getattr(place or st, kind)
    settings |= {"required": True} if kind in ("pills", "segmented_control") else {}
    show(label, options, format_func=texts.__getitem__, key=key, **settings)
    return chosen


def current(key: str, options: Sequence[T]) -> T | None:
    """The option of the widget's current value; None if it has no value or the option does not exist any more."""
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
    """Show a multiselect and return the chosen ids in the order of choice; `fallback` is the initial value.

    If no option of the selection exists any more, `fallback` is selected again.
    """
    memory = st.session_state
    sent = memory.get(key)
    chosen = [option for value in sent or () if (option := _id_of(key, value, options)) is not None]
    if sent is None or (sent and not chosen):
        chosen = [option for option in fallback if option in options]
    texts = distinct_texts(key, options, text)
    last = memory.get(f"{key}_last", {})
    # Not on every run: that would undo a click that arrives during the run.
    if sent != chosen or any(last.get(option) != texts[option] for option in chosen):
        memory[key] = chosen
    memory[f"{key}_last"] = texts
    st.multiselect(label, options, format_func=texts.__getitem__, key=key, **settings)
    return chosen


def distinct_texts(key: str, options: Sequence[T], text: Callable[[T], str]) -> dict[T, str]:
    """A unique text for each option; none was used for another option of this widget before."""
    used: dict[str, T] = st.session_state.setdefault(f"{key}_texts", {})
    wanted = {option: _collapsed(text(option)) for option in options}
    counts = Counter(wanted.values())
    texts: dict[T, str] = {}
    for option in options:
        words = wanted[option]
        ambiguous = counts[words] > 1 or (words in wanted and words != option)
        while ambiguous or used.get(words, option) != option:
            words, ambiguous = t("common.distinct", text=words, id=option), False
        used[words] = option
        texts[option] = words
    return texts


def _collapsed(text: str) -> str:
    """The text without spaces at its ends and without repeated spaces, which nobody can distinguish by eye."""
    return " ".join(text.split())


def _id_of(key: str, value: Any, options: Sequence[T]) -> T | None:
    """The option of a widget's value, which is an id or a text that the option had at some time in this session."""
    if value in options:
        return value  # type: ignore[no-any-return]
    option: T | None = st.session_state.get(f"{key}_texts", {}).get(value) if isinstance(value, str) else None
    return option if option in options else None
