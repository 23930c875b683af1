"""The settings of a recording to be generated, bound to the address of the Speak page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from genmodels.runs.catalog import CheckpointInfo
from genmodels.seeding import MAX_PAGE_SEED, MIN_PAGE_SEED
from genmodels.service import speak
from genmodels.service.speak import SpeakRequest, sound
from genmodels.service.speak.facts import AudioFacts
from pages.components import address, view
from pages.components.class_picker import class_picker
from pages.components.i18n import t
from pages.components.seed_input import seed_input

TEMPERATURES = tuple(round(0.1 * tenth, 1) for tenth in range(1, 21))
TEMPOS = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.5, 1.75, 2.0)
GUIDANCES = tuple(0.5 * half for half in range(round(2 * speak.MAX_GUIDANCE) + 1))
TOP_KS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
"""The last one allows every level."""
_FIRST_TEMPERATURE = 1.0
_SHORTEST = 0.1
BEGINNING = (0.05, sound.MAX_SECONDS)
"""Seconds of a recording that is continued."""
APART, WEAKER = (20, 2_000), (0, 80)
"""Hertz between two tones, and decibels by which the second one is weaker."""
Number = TypeVar("Number", int, float)


def read_address() -> None:
    """Read the parameters that do not depend on the model, in every part of the page."""
    memory = st.session_state
    for name in address.left_out("speak", _LEFT_OUT):
        memory.pop(_KEYS.get(name, f"speak_{name}"), None)
    beginning = memory.get(_KEYS["beginning"])
    seconds = (_SHORTEST, speak.MAX_SECONDS)
    parameters: tuple[tuple[str, Callable[[str], float], str], ...] = (
        ("seed", address.integer(MIN_PAGE_SEED, MAX_PAGE_SEED), address.between(MIN_PAGE_SEED, MAX_PAGE_SEED)),
        ("seconds", address.number(*seconds, digits=2), address.between(*seconds)),
        ("temperature", _stop(TEMPERATURES), address.one_of(TEMPERATURES)),
        ("top_k", _stop(TOP_KS), address.one_of(TOP_KS)),
        ("beginning", address.number(*BEGINNING, digits=2), address.between(*BEGINNING)),
        ("apart", address.integer(*APART), address.between(*APART)),
        ("weaker", address.integer(*WEAKER), address.between(*WEAKER)),
        ("at", address.integer(0, 100), address.between(0, 100)),
    )
    for name, parse, allowed in parameters:
        address.bind("speak", name, _KEYS.get(name, f"speak_{name}"), parse, address.problem(name, allowed))
    if memory.get(_KEYS["beginning"]) != beginning:
        memory.speak_given_of = None  # of the recording that the address names, too


def read_model_address(audio: AudioFacts) -> None:
    """Read the parameters whose valid values depend on the model."""
    none = t("speak.address_none")
    guidances, tempos = GUIDANCES if audio.guidance is not None else (), TEMPOS if audio.has_tempo else ()
    known: tuple[tuple[str, Callable[[str], object], Sequence[object]], ...] = (
        ("say", audio.labels.index, audio.labels),
        ("speaker", audio.speakers.index, audio.speakers),
        ("guidance", _stop(guidances), [f"{value:g}" for value in guidances]),
        ("tempo", _stop(tempos), [f"{value:g}" for value in tempos]),
    )
    for name, parse, choices in known:
        allowed = address.one_of(choices) if choices else none
        address.bind("speak", name, _KEYS.get(name, f"speak_{name}"), parse, address.problem(name, allowed))


_KEYS = {"say": "speak_label", "beginning": "speak_given"}
_LEFT_OUT = tuple(name for name in address.PARAMETERS["speak"] if name not in ("part", "model", "step", "recording"))
"""Parameters without which the page chooses: `pick_step` and the picker of recordings read the others."""


def _stop(stops: Sequence[Number]) -> Callable[[str], Number]:
    """A parser of numbers that are stops of a slider."""
    return lambda text: stops[stops.index(float(text))]


def write_address(info: CheckpointInfo, request: SpeakRequest, *, with_step: bool = True) -> None:
    """Write the request to the page's address."""
    values = parameters(request)
    if with_step:
        values["step"] = view.step_text(info, request.step or 0)
    address.write_view("speak", values)


def parameters(request: SpeakRequest) -> dict[str, str | None]:
    """The request as parameters of the page's address, except model and step."""
    values = {
        "say": request.label,
        "speaker": request.speaker,
        "seed": request.seed,
        "seconds": f"{request.seconds:g}",
        "temperature": f"{request.temperature:g}",
        "top_k": request.top_k,
        "guidance": None if request.guidance is None else f"{request.guidance:g}",
        "tempo": None if request.tempo == 1 else f"{request.tempo:g}",
    }
    return {name: None if value is None else str(value) for name, value in values.items()}


def condition(audio: AudioFacts) -> tuple[str | None, str | None]:
    """Show the pickers of a conditional model and return label and speaker; None for what it is not conditioned on."""
    label = speaker = None
    if audio.labels:
        index = class_picker(
            audio.labels, key="speak_label", label=t("speak.say"), help_text=t("speak.say_help"), default=7
        )
        label = audio.labels[index]
    if audio.speakers:
        index = class_picker(
            audio.speakers, key="speak_speaker", label=t("speak.speaker"), help_text=t("speak.speaker_help")
        )
        speaker = audio.speakers[index]
    if not audio.labels and not audio.speakers:
        st.caption(t("speak.unconditional"))
    return label, speaker


def request(
    info: CheckpointInfo,
    audio: AudioFacts,
    condition: tuple[str | None, str | None],
    step: int,
    more: DeltaGenerator,
    *,
    with_tempo: bool = True,
) -> SpeakRequest:
    """Show the seed, and in `more` length, temperature, top-k, guidance and tempo; return the request."""
    memory = st.session_state
    memory.setdefault("speak_seconds", min(speak.MAX_SECONDS, max(_SHORTEST, round(audio.mean_seconds, 2))))
    memory.setdefault("speak_temperature", _FIRST_TEMPERATURE)
    memory.setdefault("speak_top_k", TOP_KS[-1])
    seed = seed_input("speak", default=1)
    with more:
        left, right = st.columns(2)
    with left:
        st.select_slider(
            t("speak.temperature"),
            TEMPERATURES,
            key="speak_temperature",
            help=t("speak.temperature_help"),
            persist_state="session",
        )
        st.slider(
            t("speak.seconds"),
            _SHORTEST,
            speak.MAX_SECONDS,
            step=0.05,
            key="speak_seconds",
            help=t("speak.seconds_help"),
            persist_state="session",
        )
        tempo = _tempo(audio) if with_tempo else 1.0
    with right:
        st.select_slider(
            t("speak.top_k"),
            TOP_KS,
            format_func=lambda k: t("speak.all_levels") if k == TOP_KS[-1] else str(k),
            key="speak_top_k",
            help=t("speak.top_k_help", levels=audio.levels),
            persist_state="session",
        )
        guidance = _guidance(audio)
    top_k = None if memory.speak_top_k >= audio.levels else memory.speak_top_k
    return SpeakRequest.parse(
        {
            "model": info.name,
            "step": step,
            "label": condition[0],
            "speaker": condition[1],
            "seed": seed,
            "temperature": memory.speak_temperature,
            "top_k": top_k,
            "seconds": memory.speak_seconds,
            "guidance": guidance,
            "tempo": tempo,
        }
    )


def _guidance(audio: AudioFacts) -> float | None:
    """Show the classifier-free guidance scale and return it; None for the model's default, or without guidance."""
    if (default := audio.guidance) is None:
        return None
    st.session_state.setdefault("speak_guidance", min(GUIDANCES, key=lambda known: abs(known - default)))
    chosen = st.select_slider(
        t("speak.guidance"),
        GUIDANCES,
        format_func=lambda value: f"{value:g}",
        key="speak_guidance",
        help=t("speak.guidance_help", default=f"{default:g}"),
        persist_state="session",
    )
    return None if chosen == default else float(chosen)


def _tempo(audio: AudioFacts) -> float:
    """Show the tempo and return it; 1 if the model is not conditioned on time."""
    if not audio.has_tempo:
        return 1.0
    st.session_state.setdefault("speak_tempo", 1.0)
    chosen = st.select_slider(
        t("speak.tempo"),
        TEMPOS,
        format_func=lambda value: f"{value:g}",
        key="speak_tempo",
        help=t("speak.tempo_help"),
        persist_state="session",
    )
    return float(chosen)


def in_words(request: SpeakRequest) -> str:
    """The request as a caption, which stays valid when the controls are changed."""
    parts = [part for part in (request.label, request.speaker) if part is not None]
    parts.append(t("speak.of_seed", seed=request.seed))
    if request.temperature != _FIRST_TEMPERATURE:
        parts.append(t("speak.of_temperature", temperature=f"{request.temperature:g}"))
    if request.top_k is not None:
        parts.append(t("speak.of_top_k", top_k=request.top_k))
    if request.guidance is not None:
        parts.append(t("speak.of_guidance", guidance=f"{request.guidance:g}"))
    if request.tempo != 1:
        parts.append(t("speak.of_tempo", tempo=f"{request.tempo:g}"))
    if request.step is not None:
        parts.append(t("speak.of_step", step=f"{request.step:,}"))
    return ", ".join(parts)
