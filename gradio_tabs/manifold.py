"""Tab: a two-dimensional latent space, decoded on one sheet."""

from __future__ import annotations

import gradio as gr

from genmodels.service import endpoints
from gradio_tabs.components.display import enlarged
from gradio_tabs.components.endpoints import show
from gradio_tabs.components.files import Png, image_output
from gradio_tabs.components.model_picker import pick_model
from gradio_tabs.components.texts import t


def _sheet(model: str, step: str) -> Png:
    return Png(endpoints.images.manifold(model, step))


def _point(model: str, step: str, x: float, y: float) -> Png:
    return enlarged(endpoints.images.decode(model=model, step=step, z=[x, y]))


def _clicked(event: gr.SelectData) -> tuple[float, float]:
    """The latent coordinates of a click on the sheet."""
    x, y = event.index
    return endpoints.images.manifold_place(float(x), float(y))


def build(demo: gr.Blocks) -> None:
    """Add the tab; its points are decoded by the endpoint `decode`."""
    with gr.Tab(t("manifold.tab")) as tab:
        gr.Markdown(t("manifold.intro"))
        with gr.Row():
            sheet = image_output(t("manifold.sheet"))
            with gr.Column():
                picker = pick_model("mnist_vae_2d_deep", "manifold")
                x = gr.Slider(-4, 4, 0, step=0.05, label=t("manifold.x"), info=t("manifold.x_info"))
                y = gr.Slider(-4, 4, 0, step=0.05, label=t("manifold.y"), info=t("manifold.y_info"))
                result = image_output(t("manifold.result"), elem_classes="single")
    show([tab.select, *picker.triggers], _sheet, picker.inputs, sheet)
    point = [*picker.inputs, x, y]
    show([tab.select, *picker.triggers], _point, point, result)
    show([x.input, y.input], _point, point, result, drag=True)
    sheet.select(_clicked, None, [x, y], api_visibility="private", show_progress="hidden", queue=False)
    show([x.change, y.change], _point, point, result, drag=True)
