"""Generate speech from a WaveNet, and follow the recording while it is generated."""

from __future__ import annotations

import streamlit as st

from genmodels.runs.catalog import CheckpointInfo
from genmodels.service.speak import facts
from pages.components import speak_state
from pages.components.i18n import t
from pages.components.theme import friendly_errors
from pages.parts.speak import progress


def show(info: CheckpointInfo) -> None:
    """Show controls on the left, the recording on the right."""
    st.markdown(t("speak.ask.text"))
    left, right = st.columns([4, 6], gap="large")
    audio = facts.audio_facts(info.name)
    with left, friendly_errors():
        speak_state.read_model_address(audio)
        condition = speak_state.condition(audio)
        request, actions = speak_state.request(info, audio, condition)
        speak_state.write_address(request)
        with actions:
            progress.buttons("ask", request)
    with right, friendly_errors():
        progress.result("ask")
