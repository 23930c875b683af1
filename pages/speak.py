"""Speak: hear a model of sound, let it go on where a recording ends, and see what levels, pasts and windows do."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from genmodels.catalog import CheckpointInfo
from genmodels.errors import GenmodelsError
from genmodels.service import speak
from pages.components import speak_state
from pages.components.i18n import t
from pages.components.model_choice import check_model, pick_model, pick_part
from pages.components.theme import error_box, friendly_errors, page_title
from pages.parts.speak import ask, continuation, fourier, levels, past, steps

_OF_A_MODEL: dict[str, Callable[[CheckpointInfo], None]] = {
    "ask": ask.show,
    "continue": continuation.show,
    "steps": steps.show,
    "past": past.show,
}
_OF_SOUND: dict[str, Callable[[], None]] = {"levels": levels.show, "fourier": fourier.show}
_PARTS = (*_OF_A_MODEL, *_OF_SOUND)


def _page() -> None:
    page_title(t("speak.title"), t("speak.intro"))
    part = pick_part("speak", _PARTS)
    for read in (speak_state.read_address, levels.read_address, fourier.read_address):
        read()
    infos = {info.name: info for info in speak.checkpoints()}
    if part in _OF_SOUND:
        check_model("speak", infos)
        with friendly_errors():
            st.fragment(_OF_SOUND[part])()
        return
    if not infos:
        st.info(t("speak.empty"), icon=":material/model_training:")
        st.page_link(
            "train.py",
            label=t("speak.empty_link"),
            icon=":material/arrow_forward:",
            query_params={"recipe": "tones_wavenet"},
        )
        return
    left, _ = st.columns([6, 4], gap="medium")
    with left:
        info = pick_model("speak", infos)
    with friendly_errors():
        st.fragment(_OF_A_MODEL[part])(info)


try:
    _page()
except GenmodelsError as error:
    error_box(str(error))
