"""What a model of sound says, on its card in the gallery."""

from __future__ import annotations

import streamlit as st

from genmodels.catalog import CheckpointInfo
from genmodels.service import speak
from pages.components.i18n import t
from pages.components.speak_state import in_words
from pages.components.theme import error_box, friendly_errors, plain

_PATIENCE = 30.0


@st.fragment
def hear(info: CheckpointInfo) -> None:
    """A button that plays: what it plays is drawn when it is pressed, and the first time only."""
    clicked = st.button(
        t("gallery.hear"), key=f"gallery_hear_{info.name}", icon=":material/play_circle:", help=t("gallery.hear_help")
    )
    if not clicked:
        return
    with friendly_errors():
        drawing = speak.draw(speak.first_wish(info.name))
        drawing.wait(_PATIENCE)
        if drawing.problem:
            error_box(drawing.problem, t("common.error.title"))
        elif len(drawing.samples):
            what = plain(in_words(drawing.asked))
            st.audio(drawing.sound.played, "audio/wav", autoplay=True, alt=what)
            st.caption(what)
