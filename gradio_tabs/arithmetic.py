"""Tab: arithmetic with the latent vectors of seeds."""

from __future__ import annotations

import gradio as gr

from genmodels.service import endpoints
from gradio_tabs.components.display import enlarged
from gradio_tabs.components.endpoints import expose, show
from gradio_tabs.components.files import Png, image_output
from gradio_tabs.components.model_picker import pick_model
from gradio_tabs.components.texts import t

_EXAMPLE = "slerp(s14, s7, 0.5)"


def arithmetic(model: str, expression: str) -> Png:
    """Decode the value of an expression with the latent vectors of seeds, such as s12 - s7 + 0.5*s3.

    Args:
        model: name of a model with a latent space; a conditional model generates class 0
        expression: seeds such as s12, numbers, + - * / ( ), lerp(a, b, t) and slerp(a, b, t); at most 200 characters
    Returns:
        a PNG in the model's own size
    """
    return Png(endpoints.images.arithmetic(model=model, expression=expression))


def _shown(model: str, label: int | None, step: str, expression: str) -> Png:
    return enlarged(endpoints.images.arithmetic(model=model, label=label, step=step, expression=expression))


def build(demo: gr.Blocks) -> None:
    """Add the tab and its endpoint."""
    with gr.Tab(t("arithmetic.tab")) as tab:
        expose(arithmetic)
        gr.Markdown(t("arithmetic.intro"))
        with gr.Row():
            with gr.Column():
                picker = pick_model("mnist_gan", "arithmetic", classes=True)
                expression = gr.Textbox(
                    _EXAMPLE, max_length=200, label=t("arithmetic.expression"), info=t("arithmetic.expression_info")
                )
                compute = gr.Button(t("arithmetic.compute"), variant="primary")
                gr.Examples([[_EXAMPLE], ["s14 - s7 + s23"], ["0.6*(s5 + s7)"]], [expression])
            result = image_output(t("arithmetic.result"), elem_classes="single")
    show([tab.select, *picker.triggers, expression.submit, compute.click], _shown, [*picker.inputs, expression], result)
