"""Tab: sliders over a latent space."""

from __future__ import annotations

import gradio as gr

from genmodels.service import endpoints
from gradio_tabs.components.display import enlarged
from gradio_tabs.components.endpoints import expose, show
from gradio_tabs.components.files import Png, image_output
from gradio_tabs.components.model_picker import pick_model
from gradio_tabs.components.texts import t

_SLIDERS, _RANGE = 8, 3.0


def decode(model: str, z: list[float], label: int | None = None, step: int | None = None) -> Png:
    """Decode one latent vector z into an image.

    Args:
        model: name of a model with a latent space; the endpoint models lists them under the capability latent
        z: the latent vector, a list with as many numbers as the model's z has, under the prior each from N(0, 1)
        label: class, counted from 0; empty is class 0. Leave it out for an unconditional model
        step: saved training step; empty is the newest
    Returns:
        a PNG in the model's own size
    """
    return Png(endpoints.images.decode(model=model, z=z, label=label, step=step))


def _moved(model: str, label: int | None, step: str, seed: int, axes: str, *offsets: float) -> Png:
    return enlarged(endpoints.images.moved(model, label, step, seed, axes, offsets))


def build(demo: gr.Blocks) -> None:
    """Add the tab and its endpoint."""
    with gr.Tab(t("latent.tab")) as tab:
        expose(decode)
        gr.Markdown(t("latent.intro"))
        with gr.Row():
            with gr.Column():
                picker = pick_model("mnist_vae_20", "latent", classes=True)
                seed = gr.Number(0, precision=0, label=t("common.seed"), info=t("latent.seed_info"))
                axes = gr.Radio(
                    [(t("latent.first"), "first"), (t("latent.principal"), "principal")],
                    value="first",
                    label=t("latent.axes"),
                    info=t("latent.axes_info"),
                )
            result = image_output(t("latent.result"), elem_classes="single")
        with gr.Row():
            sliders = [
                gr.Slider(
                    -_RANGE,
                    _RANGE,
                    0,
                    step=0.05,
                    label=t("latent.axis", number=number),
                    info=t("latent.axis_info"),
                    min_width=150,
                )
                for number in range(1, _SLIDERS + 1)
            ]
    inputs = [*picker.inputs, seed, axes, *sliders]
    show([tab.select, *picker.triggers, seed.input, axes.input], _moved, inputs, result)
    show([slider.input for slider in sliders], _moved, inputs, result, drag=True)
