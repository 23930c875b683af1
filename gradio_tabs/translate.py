"""Tab: a photograph translated to another domain."""

from __future__ import annotations

from typing import Literal

import gradio as gr

from genmodels.service import endpoints
from gradio_tabs.components.display import photograph
from gradio_tabs.components.endpoints import expose, show
from gradio_tabs.components.files import Png, Upload, image_input
from gradio_tabs.components.model_picker import pick_model
from gradio_tabs.components.progress import in_parts
from gradio_tabs.components.texts import t


def translate(
    image: Upload,
    model: str,
    direction: Literal["a_to_b", "b_to_a"] = "a_to_b",
    progress: gr.Progress = gr.Progress(),  # noqa: B008 -- Gradio finds it by this default
) -> Png:
    """Translate a photograph to the other domain of a model, such as horses to zebras, at its own size.

    Args:
        image: an image file, at most 8 MB
        model: name of a translation model
        direction: a_to_b, or b_to_a
    Returns:
        a PNG of the photograph's size
    """
    return Png(
        endpoints.uploads.translated(image, in_parts(progress, t("translate.part")), model=model, direction=direction)
    )


def _shown(
    image: Upload,
    model: str,
    step: str,
    direction: str,
    progress: gr.Progress = gr.Progress(),  # noqa: B008
) -> tuple[Png, Png]:
    report = in_parts(progress, t("translate.part"))
    after = endpoints.uploads.translated(image, report, model=model, step=step, direction=direction)
    return Png(endpoints.uploads.as_png(image)), Png(after)


def build(demo: gr.Blocks) -> None:
    """Add the tab and its endpoint."""
    with gr.Tab(t("translate.tab")) as tab:
        expose(translate, work="background")
        gr.Markdown(t("translate.intro"))
        with gr.Row():
            with gr.Column():
                image = image_input(t("translate.image"), photograph("dahlia.jpg"))
                picker = pick_model("flowers_projected_128", "translate")
                direction = gr.Radio(
                    [(t("translate.a_to_b"), "a_to_b"), (t("translate.b_to_a"), "b_to_a")],
                    value="a_to_b",
                    label=t("translate.direction"),
                    info=t("translate.direction_info"),
                )
            result = gr.ImageSlider(type="filepath", format="png", label=t("translate.result"), interactive=False)
    show(
        [tab.select, *picker.triggers, image.upload, direction.input],
        _shown,
        [image, *picker.inputs, direction],
        result,
        work="background",
    )
