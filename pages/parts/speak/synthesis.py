"""Generate speech from a WaveNet, and follow the recording while it is generated."""

from __future__ import annotations

from genmodels.runs.catalog import CheckpointInfo
from genmodels.service import speak
from genmodels.service.speak import SpeakRequest, facts
from pages.components import share, speak_state
from pages.components.i18n import t
from pages.components.layout import workspace
from pages.components.theme import explain, friendly_errors
from pages.parts.speak import example, progress


def show(info: CheckpointInfo, step: int) -> None:
    """Show controls on the left, the recording on the right: a bundled one until the first one is generated."""
    parts = workspace("speak")
    audio = facts.audio_facts(info.name)
    with parts.controls, friendly_errors():
        speak_state.read_model_address(audio)
        condition = speak_state.condition(audio)
        request = speak_state.request(info, audio, condition, step, parts.more)
        speak_state.write_address(info, request)
        progress.buttons("ask", request)
    with parts.result, friendly_errors():
        generation = progress.current("ask")
        _offer_code(request if generation is None else generation.request)
        if generation is None:
            example.show()
        else:
            progress.result("ask", generation)
        explain(t("speak.ask.text"))


def _offer_code(request: SpeakRequest) -> None:
    file = f"{progress.file_name(request)}.wav"
    command = ["speak", request.model, file, *_options(request)]
    share.offer_code(speak.recorded, request, file=file, command=command)


def _options(request: SpeakRequest) -> list[str]:
    """The request as options of the command."""
    options = {
        "--digit": request.label,
        "--speaker": request.speaker,
        "--seed": request.seed,
        "--seconds": f"{request.seconds:g}",
        "--temperature": None if request.temperature == 1 else f"{request.temperature:g}",
        "--top-k": request.top_k,
        "--guidance": None if request.guidance is None else f"{request.guidance:g}",
        "--tempo": None if request.tempo == 1 else f"{request.tempo:g}",
        "--step": request.step,
    }
    return [word for name, value in options.items() if value is not None for word in (name, str(value))]
