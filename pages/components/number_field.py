"""A field for an integer whose range is checked by the server.

Streamlit checks its own bounds in the browser, which does not send a number that is out of range: the field would show
one number while the page uses another.
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
    """Show the field and return its number. Raises ConfigError with field, number and range if it is out of range.

    A number entered for another range, such as that of another data set, is clamped to this one. An empty field gets
    `low`.
    """
    memory, limits = st.session_state, f"{key}_range"
    entered = memory.get(key)
    if entered is None or (memory.get(limits, (low, high)) != (low, high) and not low <= entered <= high):
        memory[key] = min(max(low if entered is None else entered, low), high)
    memory[limits] = (low, high)
    number = (place or st).number_input(label, value=None, step=1, key=key, **settings)
    if number is None or not low <= number <= high:
        raise ConfigError(t("common.number", label=label, number=number, low=low, high=high))
    return int(number)
