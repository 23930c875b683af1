"""A field for a whole number in a range that this server checks.

Streamlit's own bounds are checked in the browser, which keeps a number out of range to itself: the field shows one
number while the page works with another.
"""

from __future__ import annotations

from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from genmodels.errors import ConfigError
from pages.components.i18n import t


def whole_number(
    label: str, low: int, high: int, *, key: str, place: DeltaGenerator | None = None, **settings: Any
) -> int:
    """Draws the field and returns its number. Raises ConfigError that names field, number and range.

    A number that was entered for another range (another data set) is moved into this one; an empty field gets `low`.
    """
    memory, limits = st.session_state, f"{key}_range"
    given = memory.get(key)
    if given is None or (memory.get(limits, (low, high)) != (low, high) and not low <= given <= high):
        memory[key] = min(max(low if given is None else given, low), high)
    memory[limits] = (low, high)
    number = (place or st).number_input(label, value=None, step=1, key=key, **settings)
    if number is None or not low <= number <= high:
        raise ConfigError(t("common.number", label=label, number=number, low=low, high=high))
    return int(number)
