"""A note that the judge's answers for an untrained model mean nothing. The judge is the reference classifier."""

from __future__ import annotations

import streamlit as st

from pages.components.i18n import t


def untrained(step: int, judged: object, text: str = "common.untrained") -> None:
    """Show the note `text` if the images of step 0 were `judged`."""
    if step == 0 and judged:
        st.caption(f":material/info: {t(text)}")
