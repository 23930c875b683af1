"""What the digit judge's readings mean at a step before any training: nothing, and the page says so."""

from __future__ import annotations

import streamlit as st

from pages.components.i18n import t


def untrained(step: int, judged: object, text: str = "common.untrained") -> None:
    """A note, `text`, below readings of what a model draws at `step`; none after training, or if nothing was read."""
    if step == 0 and judged:
        st.caption(f":material/info: {t(text)}")
