"""A recording while it is generated: progress and a button to stop; then the player, the file and its charts."""

from __future__ import annotations

import streamlit as st

from genmodels.errors import GenmodelsError
from genmodels.service import speak
from genmodels.service.speak import Generation, SpeakRequest
from genmodels.service.speak.sound import Sound
from pages.components import share, speak_state
from pages.components.i18n import t
from pages.components.speak_state import in_words
from pages.components.theme import error_box, plain
from pages.components.waiting import line_text
from pages.parts.speak import charts

_POLL, _POLL_IN_QUEUE = 0.5, 2.0  # seconds between two updates
_MIN_GAIN = 2.0  # a smaller amplification is not mentioned


def current(part: str) -> Generation | None:
    """The last recording of a part of the page."""
    generation = st.session_state.get(f"speak_generation_{part}")
    return generation if isinstance(generation, Generation) else None


def buttons(part: str, request: SpeakRequest, beginning: Sound | None = None, *, disabled: bool = False) -> None:
    """Show the button that starts the generation, and the reason if it was refused."""
    row = st.container(horizontal=True, key=f"speak_actions_{part}")
    row.button(
        t(f"speak.go_{part}"),
        key=f"speak_go_{part}",
        type="primary",
        icon=":material/record_voice_over:",
        on_click=_start,
        args=(part, request, beginning),
        disabled=disabled,
        help=t("speak.go_help"),
    )
    if refusal := st.session_state.pop("speak_refused", ""):
        error_box(refusal)


def _start(part: str, request: SpeakRequest, beginning: Sound | None) -> None:
    previous = current(part)
    if previous is not None:
        previous.stop()
    try:
        st.session_state[f"speak_generation_{part}"] = speak.generate(request, beginning)
        st.session_state[f"speak_fresh_{part}"] = True
    except GenmodelsError as error:
        st.session_state.speak_refused = str(error)


def _continue(generation: Generation) -> None:
    try:
        generation.start()
    except GenmodelsError as error:
        st.session_state.speak_refused = str(error)


def result(part: str, generation: Generation) -> None:
    """Show the recording of a part of the page, updated twice a second while it is generated."""
    running, waiting = generation.running, generation.position > 0

    def tick() -> None:
        if running and (not generation.running or waiting != (generation.position > 0)):
            st.rerun(scope="app")  # ends the timer and shows what a complete recording has
        if running:
            _partial(part, generation)
        else:
            _complete(part, generation)

    every = _POLL_IN_QUEUE if waiting else _POLL
    st.fragment(tick, run_every=every if running else None)()


def _partial(part: str, generation: Generation) -> None:
    seconds, total = generation.sound.seconds, generation.total / generation.rate
    text = t("speak.progress", seconds=f"{seconds:.2f}", total=f"{total:.2f}", speed=f"{generation.speed:,.0f}")
    waiting = generation.position
    st.progress(
        generation.fraction, text if generation.fraction else line_text(waiting) if waiting else t("speak.preparing")
    )
    st.button(
        t("speak.stop"),
        key=f"speak_stop_{part}",
        icon=":material/stop:",
        on_click=generation.stop,
        help=t("speak.stop_help"),
    )
    if generation.fraction:
        charts.waveform(
            generation.sound,
            key=f"speak_{part}_growing",
            seam=_seam(generation),
            alt=t("speak.charts.wave_alt", what=plain(in_words(generation.request))),
            seconds=total,
        )


def _complete(part: str, generation: Generation) -> None:
    what = plain(in_words(generation.request))
    if generation.problem:
        error_box(generation.problem, t("common.error.title"))
    if not len(generation.samples):
        return
    st.markdown(f"**{what}**")
    fresh = st.session_state.pop(f"speak_fresh_{part}", False)
    st.audio(generation.sound.played, "audio/wav", autoplay=bool(fresh) and generation.finished, alt=what)
    row = st.container(horizontal=True, vertical_alignment="center")
    if generation.finished:
        summary = t("speak.speed", speed=f"{generation.speed:,.0f}", times=f"{generation.speed / generation.rate:.1f}")
    else:
        summary = t(
            "speak.stopped",
            seconds=f"{generation.sound.seconds:.2f}",
            total=f"{generation.total / generation.rate:.2f}",
        )
        row.button(
            t("speak.resume"),
            key=f"speak_on_{part}",
            icon=":material/play_arrow:",
            on_click=_continue,
            args=(generation,),
            help=t("speak.resume_help"),
        )
    row.download_button(
        t("speak.wav"),
        share.with_view(lambda: generation.sound.wav, view_of(generation.request)),
        f"{file_name(generation.request)}.wav",
        "audio/wav",
        key=f"speak_wav_{part}",
        icon=":material/download:",
        on_click="ignore",
        help=t("speak.wav_help", rate=f"{generation.rate:,}"),
    )
    if generation.sound.gain > _MIN_GAIN:
        summary += " " + t("speak.gain", gain=f"{generation.sound.gain:.0f}")
    st.caption(summary)
    if generation.is_silent:
        st.info(t("speak.silent_timed" if generation.facts.has_tempo else "speak.silent"), icon=":material/volume_off:")
    charts.both(generation.sound, key=f"speak_{part}", seam=_seam(generation), what=what)


def _seam(generation: Generation) -> float | None:
    return len(generation.prefix) / generation.rate if len(generation.prefix) else None


def view_of(request: SpeakRequest) -> dict[str, str | None]:
    """The parameters of a recording, whose controls may have been changed since."""
    return {**speak_state.parameters(request), "model": request.model, "step": str(request.step)}


def file_name(request: SpeakRequest) -> str:
    """The name of a recording's file, without its ending."""
    parts = [request.model, request.label, request.speaker, f"seed-{request.seed}"]
    return "-".join(part.replace(" ", "_") for part in parts if part)
