"""Tab: a spoken digit."""

from __future__ import annotations

from typing import Any

import gradio as gr

from genmodels.service import endpoints
from gradio_tabs.components.endpoints import expose, show
from gradio_tabs.components.files import Wav
from gradio_tabs.components.model_picker import pick_model
from gradio_tabs.components.progress import in_fractions
from gradio_tabs.components.texts import t

_MODEL = "fsdd_wavenet"
_LABELS, _SPEAKERS = [str(digit) for digit in range(10)], ["george", "jackson", "lucas", "nicolas", "theo", "yweweler"]


def speak(
    label: str,
    speaker: str,
    seed: int = 0,
    model: str = "fsdd_wavenet",
    progress: gr.Progress = gr.Progress(),  # noqa: B008 -- Gradio finds it by this default
) -> Wav:
    """Generate a recording of a spoken class, such as a digit, sample by sample.

    Args:
        label: class by name, such as 7; empty is class 0
        speaker: speaker by name, such as george; empty is the first one
        seed: any integer; the same seed gives the same recording
        model: name of a model of recordings
    Returns:
        a WAV file with one channel
    """
    return Wav(
        endpoints.recordings.speak(
            in_fractions(progress, t("speak.part")), label=label, speaker=speaker, seed=seed, model=model
        )
    )


def _shown(
    model: str,
    step: str,
    label: str,
    speaker: str,
    seed: int,
    progress: gr.Progress = gr.Progress(),  # noqa: B008
) -> Wav:
    report = in_fractions(progress, t("speak.part"))
    values = {"model": model, "step": step, "label": label, "speaker": speaker, "seed": seed}
    return Wav(endpoints.recordings.speak(report, **values))


def _names_of(model: str) -> list[Any]:
    """The class and speaker controls of a model."""
    facts = endpoints.recordings.speakers(model)
    return [
        gr.Dropdown(choices=list(names), value=names[0] if names else None, visible=bool(names))
        for names in (facts.labels, facts.speakers)
    ]


def build(demo: gr.Blocks) -> None:
    """Add the tab and its endpoint."""
    with gr.Tab(t("speak.tab")) as tab:
        expose(speak, work="background")
        gr.Markdown(t("speak.intro"))
        with gr.Row():
            with gr.Column():
                picker = pick_model(_MODEL, "speak")
                label = gr.Dropdown(_LABELS, value="7", label=t("speak.label"), info=t("speak.label_info"))
                speaker = gr.Dropdown(_SPEAKERS, value="george", label=t("speak.speaker"), info=t("speak.speaker_info"))
                seed = gr.Number(1, precision=0, label=t("common.seed"), info=t("speak.seed_info"))
            result = gr.Audio(label=t("speak.result"), interactive=False, buttons=["download"])
    picker.model.change(
        _names_of, picker.model, [label, speaker], api_visibility="private", show_progress="hidden", preprocess=False
    )
    show(
        [tab.select, *picker.triggers, label.input, speaker.input, seed.input],
        _shown,
        [*picker.inputs, label, speaker, seed],
        result,
        work="background",
    )
