"""Speak: generate speech, continue a recording, and see receptive fields, quantisation and Fourier windows."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from genmodels.runs.catalog import CheckpointInfo
from genmodels.service import speak
from pages.components import speak_state
from pages.components.model_choice import check_model, pick_model, pick_part, pick_step
from pages.components.page import by_name, no_models, page
from pages.components.theme import friendly_errors
from pages.parts.speak import continuation, fourier, quantisation, receptive_field, source, steps, synthesis

_MODEL_PARTS: dict[str, Callable[[CheckpointInfo, int], None]] = {
    "ask": synthesis.show,
    "continue": continuation.show,
    "steps": steps.show,
    "past": receptive_field.show,
}
_SIGNAL_PARTS: dict[str, Callable[[], None]] = {"levels": quantisation.show, "fourier": fourier.show}
_PARTS = (*_MODEL_PARTS, *_SIGNAL_PARTS)


def _page() -> None:
    part = pick_part("speak", _PARTS)
    for read in (
        speak_state.read_address,
        quantisation.read_address,
        fourier.read_address,
        source.address_input().read,
    ):
        read()
    infos = by_name(speak.checkpoints())
    if part in _SIGNAL_PARTS:
        check_model("speak", infos)
        with friendly_errors():
            st.fragment(_SIGNAL_PARTS[part])()
        return
    if not infos:
        no_models("speak.empty", recipe="tones_wavenet")
        return
    left, right = st.columns([6, 4], gap="medium")
    with left:
        info = pick_model("speak", infos)
    with right:
        step = info.steps[-1] if part == "steps" else pick_step("speak", info)
    with friendly_errors():
        st.fragment(_MODEL_PARTS[part])(info, step)


with page("speak"):
    _page()
