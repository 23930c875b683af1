"""Generate speech from a WaveNet, and follow the recording while it is generated."""

from __future__ import annotations

import streamlit as st

from genmodels.runs.catalog import CheckpointInfo
from genmodels.service.speak import facts
from pages.components import speak_state
from pages.components.i18n import t
from pages.components.layout import workspace
from pages.components.theme import friendly_errors
from pages.parts.speak import example, progress


def show(info: CheckpointInfo) -> None:
    """Show controls on the left, the recording on the right: a bundled one until the first one is generated."""
    parts = workspace("speak")
    audio = facts.audio_facts(info.name)
    with parts.controls, friendly_errors():
        speak_state.read_model_address(audio)
        condition = speak_state.condition(audio)
        request = speak_state.request(info, audio, condition, parts.more)
        speak_state.write_address(info, request)
        progress.buttons("ask", request)
    with parts.result, friendly_errors():
        if (generation := progress.current("ask")) is None:
            example.show()
        else:
            progress.result("ask", generation)
        st.markdown(t("speak.ask.text"))
