"""The player of a speech model on its card in the gallery."""

from __future__ import annotations

import streamlit as st

from genmodels.runs.catalog import CheckpointInfo
from genmodels.service import speak
from genmodels.service.speak import Generation
from pages.components.i18n import t
from pages.components.speak_state import in_words
from pages.components.theme import error_box, friendly_errors, plain

_PATIENCE = 30.0


@st.fragment
def hear(info: CheckpointInfo) -> None:
    """Show a button that generates a recording on the first click, and plays it."""
    memory, key = st.session_state, f"gallery_heard_{info.name}"
    clicked = st.button(
        t("gallery.hear"), key=f"gallery_hear_{info.name}", icon=":material/play_circle:", help=t("gallery.hear_help")
    )
    requested = memory.pop(f"gallery_waited_{info.name}", False) or clicked
    with friendly_errors():
        if clicked and key not in memory:
            memory[key] = speak.generate(speak.default_request(info.name))
        generation = memory.get(key)
        if not isinstance(generation, Generation):
            return
        if requested:  # a rerun by another control must not wait
            with st.spinner(t("speak.card.generating")):
                generation.wait(_PATIENCE)
        if not generation.running:
            del memory[key]
        _show(info, generation)


def _wait(name: str) -> None:
    st.session_state[f"gallery_waited_{name}"] = True


def _show(info: CheckpointInfo, generation: Generation) -> None:
    """Show the recording or the error; a partial recording is never played as if it were complete."""
    if generation.problem:
        error_box(generation.problem, t("common.error.title"))
    elif generation.finished:
        what = plain(in_words(generation.request))
        st.audio(generation.sound.played, "audio/wav", autoplay=True, alt=what)
        st.caption(what)
    else:
        seconds, total = f"{generation.sound.seconds:.2f}", f"{generation.total / generation.rate:.2f}"
        st.info(t("speak.card.slow", seconds=seconds, total=total), icon=":material/hourglass:")
        st.button(
            t("speak.card.wait"),
            key=f"gallery_wait_{info.name}",
            icon=":material/hourglass_bottom:",
            on_click=_wait,
            args=(info.name,),
            help=t("speak.card.wait_help"),
        )
