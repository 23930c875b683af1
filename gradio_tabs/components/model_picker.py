"""The controls for a model: its name, its saved step and, of a conditional model, the class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from genmodels.errors import GenmodelsError
from genmodels.service import endpoints
from gradio_tabs.components.texts import t

NEWEST = ""
_pickers: list[tuple[gr.Dropdown, str]] = []


@dataclass(frozen=True)
class Picker:
    """The controls for a model; `label` is None in a tab without a class."""

    model: gr.Dropdown
    step: gr.Dropdown
    label: gr.Dropdown | None

    @property
    def inputs(self) -> list[gr.Dropdown]:
        """Model, class and step, or model and step without a class."""
        return [self.model, *([self.label] if self.label is not None else []), self.step]

    @property
    def triggers(self) -> list[Any]:
        """The events after which the result is another one."""
        return [control.input for control in self.inputs]


def pick_model(preferred: str, tab: str, *, classes: bool = False) -> Picker:
    """Add the controls for a model; they are those of the tab, listed when the page opens."""
    model = gr.Dropdown([preferred], value=preferred, label=t("common.model"), info=t("common.model_info"))
    label = gr.Dropdown([("0", 0)], value=0, label=t("common.label"), info=t("common.label_info"), visible=False)
    step = gr.Dropdown(
        [(t("common.newest"), NEWEST)], value=NEWEST, label=t("common.step"), info=t("common.step_info"), visible=False
    )
    _pickers.append((model, tab))
    gr.on(
        [model.change],
        _controls_of,
        [model],
        [label, step],
        api_visibility="private",
        show_progress="hidden",
        queue=False,
        preprocess=False,
    )
    return Picker(model, step, label if classes else None)


def fill_when_opened(demo: gr.Blocks) -> None:
    """List the models in all pickers when a page opens: runs are added while the server runs."""
    pickers = list(_pickers)
    _pickers.clear()

    def choices() -> list[Any]:
        return [gr.Dropdown(choices=_choices(endpoints.models.of_tab(tab))) for _, tab in pickers]

    demo.load(
        choices,
        None,
        [model for model, _ in pickers],
        api_visibility="private",
        show_progress="hidden",
        queue=False,
    )


def _choices(infos: Sequence[Any]) -> list[tuple[str, str]]:
    return [(t("common.model_option", title=info.label, name=info.name), info.name) for info in infos]


def _controls_of(model: str) -> list[Any]:
    """The class and step controls of a model, hidden if there is nothing to choose."""
    try:
        facts = endpoints.models.describe(str(model))
    except GenmodelsError:  # the event that computes the result reports it
        return [gr.Dropdown(visible=False), gr.Dropdown(visible=False)]
    classes = [(name, index) for index, name in enumerate(facts.classes)]
    steps = [(t("common.newest"), NEWEST), *((f"{step:,}", str(step)) for step in facts.steps[:-1][::-1])]
    return [
        gr.Dropdown(choices=classes or [("0", 0)], value=0 if classes else None, visible=bool(classes)),
        gr.Dropdown(choices=steps, value=NEWEST, visible=len(steps) > 1),
    ]
