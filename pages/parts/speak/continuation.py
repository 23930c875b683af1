"""A recording goes on: the model hears its beginning and draws what could follow."""

from __future__ import annotations

import numpy as np
import streamlit as st

from genmodels.catalog import CheckpointInfo
from genmodels.service import sound, speak
from genmodels.service.sound import Sound
from genmodels.service.speak import options as speak_voice
from pages.components import speak_state
from pages.components.i18n import t
from pages.components.theme import friendly_errors, plain
from pages.parts.speak import progress, source

_SHORTEST = 0.05


def show(info: CheckpointInfo) -> None:
    """What is given and what is asked for at the left, the seam at the right."""
    st.markdown(t("speak.continue.text"))
    left, right = st.columns([4, 6], gap="large")
    voice = speak_voice.voice(info.name)
    with left, friendly_errors():
        speak_state.read_model_address(voice)
        learned = speak.data_of(info.name)
        config = sound.real_set(learned)
        found = source.pick("continue", config, voice.rate, learned.name)
        given = None if found is None else _beginning(found)
        if voice.timed:
            st.caption(t("speak.continue.timed"))
        condition = speak_state.condition(voice)
        # A word's time is counted from what was given on: another tempo would change how far that had come.
        asked, actions = speak_state.request(info, voice, condition, with_tempo=False)
        speak_state.write_address(asked)
        with actions:
            progress.buttons("continue", asked, given, disabled=given is None)
    with right, friendly_errors():
        if given is not None:
            what = plain(given.title or t("speak.source.own"))
            st.markdown(f"**{t('speak.continue.given', what=what, seconds=f'{given.seconds:.2f}')}**")
            st.audio(given.played, "audio/wav", alt=t("speak.continue.given_alt"))
        progress.result("continue")


def _beginning(found: Sound) -> Sound:
    """As much of the recording as is to be given: half of it, until its visitor says otherwise."""
    if found.seconds <= 2 * _SHORTEST:
        return found
    memory, most = st.session_state, round(found.seconds, 2)
    recording = (found.title, len(found.samples))
    if memory.get("speak_given") is None or memory.get("speak_given_of") != recording:
        memory.speak_given, memory.speak_given_of = round(max(_SHORTEST, most / 2), 2), recording
    seconds = st.slider(
        t("speak.continue.keep"),
        _SHORTEST,
        most,
        step=0.01,
        key="speak_given",
        format="%.2f s",
        help=t("speak.continue.keep_help"),
        persist_state="session",
    )
    return Sound(np.ascontiguousarray(found.samples[: max(1, round(seconds * found.rate))]), found.rate, found.title)
