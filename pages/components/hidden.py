"""Groups of the interface that `?hide=` hides."""

from __future__ import annotations

import streamlit as st

GROUPS = ("controls", "share", "navigation", "explanation")
KEY = "frame_hidden"


def is_hidden(group: str) -> bool:
    """Whether the address, or one before it in this session, hides the group."""
    return group in st.session_state.get(KEY, ())
