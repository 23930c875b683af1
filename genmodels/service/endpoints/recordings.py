"""Recordings as WAV files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import Field, field_validator

from genmodels.errors import GenmodelsError, UnknownNameError
from genmodels.service import speak as speak_page
from genmodels.service.endpoints.requests import StepRequest
from genmodels.service.speak import SpeakRequest
from genmodels.service.speak.facts import AudioFacts, audio_facts

_POLL = 0.2  # seconds between two reports of the progress


class SpokenRequest(StepRequest):
    """A class, a speaker and a seed."""

    label: str | None = Field(None, max_length=100, description="class by name; empty takes the first class")
    speaker: str | None = Field(None, max_length=100, description="speaker by name; empty takes the first speaker")
    seed: int = Field(0, description="any integer; the same seed gives the same recording")

    @field_validator("label", "speaker", mode="before")
    @classmethod
    def _as_text(cls, value: Any) -> Any:
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def speakers(name: str) -> AudioFacts:
    """The classes and speakers of a model of sound; raises UnknownNameError and CapabilityError."""
    return audio_facts(name)


def speak(on_progress: Callable[[float], None] | None = None, **values: Any) -> bytes:
    """A spoken class as WAV, as long as the classes are on average; takes the fields of SpokenRequest.

    `on_progress(fraction)` is called while it is generated. Raises ConfigError, UnknownNameError for an unknown class,
    speaker or model, CapabilityError if the model does not speak, and GenmodelsError.
    """
    request = SpokenRequest.parse(values)
    facts = audio_facts(request.model)
    default = speak_page.default_request(request.model)
    generation = speak_page.generate(
        SpeakRequest(
            model=request.model,
            step=request.step,
            label=_chosen("class", request.label, facts.labels),
            speaker=_chosen("speaker", request.speaker, facts.speakers),
            seed=request.seed,
            seconds=default.seconds,
        )
    )
    while generation.running:
        generation.wait(_POLL)
        if on_progress is not None:
            on_progress(generation.fraction)
    if generation.problem or not generation.finished:
        raise GenmodelsError(generation.problem or "the recording was stopped; ask for it again")
    return generation.sound.wav


def _chosen(kind: str, name: str | None, known: tuple[str, ...]) -> str | None:
    """The name if it is known, the first one if it is empty; None for a model that does not have any."""
    if name is None or name == "":
        return known[0] if known else None
    if name not in known:
        raise UnknownNameError(kind, name, known)
    return name
