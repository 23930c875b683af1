"""Tab: draw a digit, or upload an image, and see the probability of each class."""

from __future__ import annotations

import gradio as gr

from genmodels.service import endpoints
from gradio_tabs.components.drawing_pad import drawing_pad
from gradio_tabs.components.endpoints import expose, show
from gradio_tabs.components.files import Upload, image_input
from gradio_tabs.components.model_picker import pick_model
from gradio_tabs.components.texts import t


def classify(image: Upload, model: str = "mnist_judge") -> dict[str, float]:
    """Classify an image: the probability of each class by name.

    Args:
        image: an image file, at most 8 MB; a drawn or photographed digit is centred and scaled like MNIST's
        model: name of a classifier of images
    Returns:
        a JSON object, class: probability
    """
    return endpoints.uploads.classify(image, model=model)


def _drawn(drawing: str, model: str, step: str) -> dict[str, float]:
    return endpoints.uploads.classify_drawing(drawing, model=model, step=step)


def _uploaded(image: Upload, model: str, step: str) -> dict[str, float]:
    return endpoints.uploads.classify(image, model=model, step=step)


def build(demo: gr.Blocks) -> None:
    """Add the tab and its endpoint."""
    with gr.Tab(t("classify.tab")):
        expose(classify)
        gr.Markdown(t("classify.intro"))
        with gr.Row():
            with gr.Column():
                pad = drawing_pad()
            with gr.Column():
                picker = pick_model("mnist_judge", "classify")
                result = gr.Label(label=t("classify.result"), num_top_classes=10)
        with gr.Accordion(t("classify.upload"), open=False):
            image = image_input(t("classify.image"))
    show(picker.triggers, _drawn, [pad, *picker.inputs], result)
    show([pad.change], _drawn, [pad, *picker.inputs], result, drag=True)
    show([image.upload], _uploaded, [image, *picker.inputs], result)
