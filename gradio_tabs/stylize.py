"""Tab: a photograph in the style of a painting, in one pass of a network."""

from __future__ import annotations

import gradio as gr

from genmodels.service import endpoints
from gradio_tabs.components.display import photograph
from gradio_tabs.components.endpoints import expose, show
from gradio_tabs.components.files import Png, Upload, image_input
from gradio_tabs.components.model_picker import pick_model
from gradio_tabs.components.progress import in_parts
from gradio_tabs.components.texts import t


def stylize(image: Upload, model: str, progress: gr.Progress = gr.Progress()) -> Png:  # noqa: B008
    """Stylise a photograph in the one style of a network, at the scale of its training.

    Args:
        image: an image file, at most 8 MB
        model: name of a fast style network
    Returns:
        a PNG; larger photographs are reduced to the longer side of the training images
    """
    return Png(endpoints.uploads.stylized(image, in_parts(progress, t("stylize.part")), model=model))


def _shown(image: Upload, model: str, step: str, progress: gr.Progress = gr.Progress()) -> tuple[Png, Png]:  # noqa: B008
    after = endpoints.uploads.stylized(image, in_parts(progress, t("stylize.part")), model=model, step=step)
    return Png(endpoints.uploads.as_png(image, like=after)), Png(after)


def build(demo: gr.Blocks) -> None:
    """Add the tab and its endpoint."""
    with gr.Tab(t("stylize.tab")) as tab:
        expose(stylize, work="background")
        gr.Markdown(t("stylize.intro"))
        with gr.Row():
            with gr.Column():
                image = image_input(t("stylize.image"), photograph("pagoda.jpg"))
                picker = pick_model("fast_style_starry_night", "stylize")
            result = gr.ImageSlider(type="filepath", format="png", label=t("stylize.result"), interactive=False)
    show([tab.select, *picker.triggers, image.upload], _shown, [image, *picker.inputs], result, work="background")
