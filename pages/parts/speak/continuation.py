"""Continue a recording: the model is given its beginning and generates the rest."""

from __future__ import annotations

import numpy as np
import streamlit as st

from genmodels.runs.catalog import CheckpointInfo
from genmodels.service import speak
from genmodels.service.speak import facts, sound
from genmodels.service.speak.sound import Sound
from pages.components import address, speak_state
from pages.components.i18n import t
from pages.components.layout import workspace
from pages.components.theme import explain, friendly_errors, plain
from pages.parts.speak import progress, source

_SHORTEST = speak_state.BEGINNING[0]


def show(info: CheckpointInfo, step: int) -> None:
    """Show the recording and the settings on the left, the result on the right."""
    explain(t("speak.continue.text"))
    parts = workspace("speak")
    audio = facts.audio_facts(info.name)
    with parts.controls, friendly_errors():
        speak_state.read_model_address(audio)
        training_set = speak.data_of(info.name)
        config = sound.recordings_config(training_set)
        recording = source.pick("continue", config, audio.rate, training_set.name)
        beginning = None if recording is None else _beginning(recording)
        if audio.has_tempo:
            st.caption(t("speak.continue.timed"))
        condition = speak_state.condition(audio)
        # Positions within the word are counted from the given part, so another tempo would change them.
        request = speak_state.request(info, audio, condition, step, parts.more, with_tempo=False)
        speak_state.write_address(info, request)
        progress.buttons("continue", request, beginning, disabled=beginning is None)
    with parts.result, friendly_errors():
        if beginning is not None:
            what = plain(beginning.title or t("speak.source.own"))
            st.markdown(f"**{t('speak.continue.beginning', what=what, seconds=f'{beginning.seconds:.2f}')}**")
            st.audio(beginning.played, "audio/wav", alt=t("speak.continue.beginning_alt"))
        if (generation := progress.current("continue")) is None:
            st.info(t("speak.empty_continue"), icon=":material/hearing:")
        else:
            progress.result("continue", generation)


def _beginning(recording: Sound) -> Sound:
    """Show the slider of the given part and return that part; by default half of the recording."""
    if recording.seconds <= 2 * _SHORTEST:
        return recording
    memory, most = st.session_state, round(recording.seconds, 2)
    identity = (recording.title, len(recording.samples))
    if memory.get("speak_given") is None or memory.get("speak_given_of") not in (identity, None):
        memory.speak_given = round(max(_SHORTEST, most / 2), 2)
    memory.speak_given, memory.speak_given_of = min(memory.speak_given, most), identity
    seconds = st.slider(
        t("speak.continue.seconds"),
        _SHORTEST,
        most,
        step=0.01,
        key="speak_given",
        format="%.2f s",
        help=t("speak.continue.seconds_help"),
        persist_state="session",
    )
    address.write("speak", "beginning", f"{seconds:g}")
    samples = recording.samples[: max(1, round(seconds * recording.rate))]
    return Sound(np.ascontiguousarray(samples), recording.rate, recording.title)
