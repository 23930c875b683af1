"""Tab: complete a digit whose upper rows are known."""

from __future__ import annotations

from collections.abc import Iterator

import gradio as gr

from genmodels.service import endpoints
from gradio_tabs.components.display import enlarged
from gradio_tabs.components.drawing_pad import drawing_pad
from gradio_tabs.components.endpoints import expose, show
from gradio_tabs.components.files import Png, Upload, image_output
from gradio_tabs.components.model_picker import pick_model
from gradio_tabs.components.texts import t


def complete(image: Upload, rows_known: int = 14, seed: int = 0, model: str = "mnist_pixelcnn") -> Iterator[Png]:
    """Complete an image: its upper rows are kept, the model samples the others pixel by pixel.

    The result is sent several times while it grows; the last one is complete.

    Args:
        image: an image file, at most 8 MB; for a model of digits one digit, otherwise the central square is used
        rows_known: rows of pixels, from the top, that are kept
        seed: any integer; the same seed gives the same completion
        model: name of a PixelCNN or of the prior of a VQ-VAE; a conditional model takes class 0
    Returns:
        a PNG in the model's own size
    """
    for png in endpoints.uploads.complete(image, rows_known=rows_known, seed=seed, model=model):
        yield Png(png)


def _drawn(drawing: str, model: str, label: int | None, step: str, rows: int, seed: int) -> Iterator[Png]:
    values = {"model": model, "label": label, "step": step, "rows_known": rows, "seed": seed}
    for png in endpoints.uploads.complete_drawing(drawing, **values):
        yield enlarged(png)


def build(demo: gr.Blocks) -> None:
    """Add the tab and its endpoint."""
    with gr.Tab(t("complete.tab")):
        expose(complete, work="background")
        gr.Markdown(t("complete.intro"))
        with gr.Row():
            with gr.Column():
                pad = drawing_pad()
                picker = pick_model("mnist_pixelcnn", "complete", classes=True)
                rows = gr.Slider(0, 27, 14, step=1, label=t("complete.rows"), info=t("complete.rows_info"))
                seed = gr.Number(0, precision=0, label=t("common.seed"), info=t("complete.seed_info"))
            result = image_output(t("complete.result"), elem_classes="single")
    show(
        [*picker.triggers, pad.change, rows.release, seed.input],
        _drawn,
        [pad, *picker.inputs, rows, seed],
        result,
        work="background",
    )
