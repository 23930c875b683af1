"""Tab: all classes of a conditional model by seed."""

from __future__ import annotations

import gradio as gr

from genmodels.service import endpoints
from gradio_tabs.components.display import enlarged
from gradio_tabs.components.endpoints import expose, show
from gradio_tabs.components.files import Png, image_output
from gradio_tabs.components.model_picker import pick_model
from gradio_tabs.components.texts import t


def conditional(model: str, seed: int = 0, rows: int = 10) -> Png:
    """Generate every class from the same seeds: a column per class, a row per seed, without gaps.

    Args:
        model: name of a class-conditional model of images
        seed: seed of the first row, any integer; the next ones follow it
        rows: number of rows, 1 to 20
    Returns:
        a PNG in the model's own size
    """
    return Png(endpoints.images.conditional(model=model, seed=seed, rows=rows))


def _shown(model: str, step: str, seed: int, rows: int) -> Png:
    return enlarged(endpoints.images.conditional(model=model, step=step, seed=seed, rows=rows))


def build(demo: gr.Blocks) -> None:
    """Add the tab and its endpoint."""
    with gr.Tab(t("conditional.tab")) as tab:
        expose(conditional, work="background")
        gr.Markdown(t("conditional.intro"))
        with gr.Row():
            with gr.Column():
                picker = pick_model("mnist_cgan_conv", "conditional")
                seed = gr.Number(0, precision=0, label=t("common.seed"), info=t("conditional.seed_info"))
                rows = gr.Slider(1, 20, 10, step=1, label=t("conditional.rows"), info=t("conditional.rows_info"))
            result = image_output(t("conditional.result"))
    show(
        [tab.select, *picker.triggers, seed.input, rows.input],
        _shown,
        [*picker.inputs, seed, rows],
        result,
        work="background",
    )
