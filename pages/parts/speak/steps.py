"""The same request at several saved steps: how noise turns into speech during training."""

from __future__ import annotations

import streamlit as st

from genmodels.errors import GenmodelsError
from genmodels.runs.catalog import CheckpointInfo
from genmodels.service import speak
from genmodels.service.speak import Generation, SpeakRequest, facts
from pages.components import speak_state
from pages.components.i18n import t
from pages.components.layout import workspace
from pages.components.speak_state import in_words
from pages.components.theme import error_box, explain, friendly_errors, plain
from pages.components.waiting import line_text
from pages.parts.speak import charts

_POLL = 0.5
_COLUMNS = 3


def show(info: CheckpointInfo, step: int) -> None:
    """Show the settings on the left, one player per step on the right."""
    explain(t("speak.steps.text"))
    steps = speak.comparison_steps(info)
    if len(steps) < 2:
        st.info(t("speak.steps.one"), icon=":material/history:")
    parts = workspace("speak")
    audio = facts.audio_facts(info.name)
    with parts.controls, friendly_errors():
        speak_state.read_model_address(audio)
        request = speak_state.request(info, audio, speak_state.condition(audio), step, parts.more)
        speak_state.write_address(info, request, with_step=False)
        st.button(
            t("speak.steps.go", count=len(steps)) if len(steps) > 1 else t("speak.steps.go_one"),
            key="speak_go_steps",
            type="primary",
            icon=":material/history:",
            on_click=_start,
            args=(request, steps),
            help=t("speak.steps.go_help"),
        )
        if refusal := st.session_state.pop("speak_refused", ""):
            error_box(refusal)
    with parts.result, friendly_errors():
        _result()


def _start(request: SpeakRequest, steps: tuple[int, ...]) -> None:
    _stop()
    try:
        st.session_state.speak_steps = speak.generate_steps(request, steps)
    except GenmodelsError as error:
        st.session_state.speak_refused = str(error)


def _stop() -> None:
    for generation in _generations():
        generation.stop()


def _continue() -> None:
    try:
        for generation in _generations():
            generation.start()
    except GenmodelsError as error:
        st.session_state.speak_refused = str(error)


def _generations() -> list[Generation]:
    generations: list[Generation] = st.session_state.get("speak_steps", [])
    return generations


def _result() -> None:
    generations = _generations()
    if not generations:
        st.info(t("speak.steps.empty"), icon=":material/hearing:")
        return
    running = any(generation.running for generation in generations)

    def tick() -> None:
        if running and not any(generation.running for generation in generations):
            st.rerun(scope="app")  # ends the timer
        done = sum(generation.fraction for generation in generations) / len(generations)
        if running:
            waiting = min((generation.position for generation in generations if generation.running), default=0)
            text = t("speak.steps.progress", done=sum(d.finished for d in generations), count=len(generations))
            st.progress(done, line_text(waiting) if waiting else text)
            st.button(
                t("speak.stop"),
                key="speak_stop_steps",
                icon=":material/stop:",
                on_click=_stop,
                help=t("speak.stop_help"),
            )
        elif any(not (generation.finished or generation.problem) for generation in generations):
            row = st.container(horizontal=True, vertical_alignment="center")
            row.button(
                t("speak.resume"),
                key="speak_on_steps",
                icon=":material/play_arrow:",
                on_click=_continue,
                help=t("speak.resume_help"),
            )
            row.caption(t("speak.steps.stopped"))
        # A player that is sent again starts again: during the generation only complete recordings are shown.
        _tiles([generation for generation in generations if not running or generation.finished or generation.problem])

    st.fragment(tick, run_every=_POLL if running else None)()


def _tiles(generations: list[Generation]) -> None:
    for start in range(0, len(generations), _COLUMNS):
        for column, generation in zip(st.columns(_COLUMNS), generations[start : start + _COLUMNS], strict=False):
            with column:
                _tile(generation)


def _tile(generation: Generation) -> None:
    step = generation.request.step or 0
    st.markdown(f"**{t('speak.steps.step', step=f'{step:,}')}**")
    if generation.problem:
        error_box(generation.problem)
    if not generation.fraction:
        if not generation.problem:
            st.caption(t("speak.steps.nothing"))
        return
    if not generation.finished:
        seconds, total = f"{generation.sound.seconds:.2f}", f"{generation.total / generation.rate:.2f}"
        st.caption(t("speak.stopped", seconds=seconds, total=total))
    st.audio(generation.sound.played, "audio/wav", alt=plain(in_words(generation.request)))
    charts.spectrogram(
        generation.sound, key=f"speak_step_{step}", alt=t("speak.steps.alt", step=f"{step:,}"), height=170, bar=False
    )
