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


@dataclass(frozen=True)
class Picker:
    """The controls for a model of a tab; `label` is None in a tab without a class."""

    tab: str
    model: gr.Dropdown
    step: gr.Dropdown
    label: gr.Dropdown | None

    @property
    def inputs(self) -> list[gr.Dropdown]:
        """Model, class and step, or model and step without a class."""
        return [self.model, *self.dependent]

    @property
    def dependent(self) -> list[gr.Dropdown]:
        """The controls whose choices depend on the model: class and step, or the step alone."""
        return [self.step] if self.label is None else [self.label, self.step]

    @property
    def triggers(self) -> list[Any]:
        """The events after which the result is another one."""
        return [control.input for control in self.inputs]

    def choices_of(self, model: str) -> list[Any]:
        """The dependent controls for a model, each hidden if there is nothing to choose."""
        try:
            facts = endpoints.models.describe(str(model))
        except GenmodelsError:  # the event that computes the result reports it
            return [gr.Dropdown(visible=False) for _ in self.dependent]
        classes = [(name, index) for index, name in enumerate(facts.classes)]
        steps = [(t("common.newest"), NEWEST), *((f"{step:,}", str(step)) for step in facts.steps[:-1][::-1])]
        step = gr.Dropdown(choices=steps, value=NEWEST, visible=len(steps) > 1)
        if self.label is None:
            return [step]
        label = gr.Dropdown(choices=classes, value=0 if classes else None, visible=bool(classes))
        return [label, step]


_pickers: list[Picker] = []


def pick_model(preferred: str, tab: str, *, classes: bool = False) -> Picker:
    """Add the controls for a model; the models are those of the tab, listed when the page opens."""
    model = gr.Dropdown([preferred], value=preferred, label=t("common.model"), info=t("common.model_info"))
    label = gr.Dropdown([], label=t("common.label"), info=t("common.label_info"), visible=False) if classes else None
    step = gr.Dropdown(
        [(t("common.newest"), NEWEST)], value=NEWEST, label=t("common.step"), info=t("common.step_info"), visible=False
    )
    picker = Picker(tab, model, step, label)
    _pickers.append(picker)
    gr.on(
        [model.change],
        picker.choices_of,
        [model],
        picker.dependent,
        api_visibility="private",
        show_progress="hidden",
        queue=False,
        preprocess=False,
    )
    return picker


def fill_when_opened(demo: gr.Blocks) -> None:
    """List the models in all pickers when a page opens: runs are added while the server runs."""
    pickers = list(_pickers)
    _pickers.clear()

    def fill() -> list[Any]:
        updates = []
        for picker in pickers:
            updates += [gr.Dropdown(choices=_choices(endpoints.models.of_tab(picker.tab)))]
            updates += picker.choices_of(picker.model.value)
        return updates

    controls = [control for picker in pickers for control in picker.inputs]
    demo.load(fill, None, controls, api_visibility="private", show_progress="hidden", queue=False)


def _choices(infos: Sequence[Any]) -> list[tuple[str, str]]:
    return [(t("common.model_option", title=info.label, name=info.name), info.name) for info in infos]
