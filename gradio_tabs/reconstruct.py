"""Tab: encode an image and decode it again."""

from __future__ import annotations

import gradio as gr

from genmodels.service import endpoints
from gradio_tabs.components.display import enlarged, photograph
from gradio_tabs.components.endpoints import expose, show
from gradio_tabs.components.files import Png, Upload, image_input, image_output
from gradio_tabs.components.model_picker import pick_model
from gradio_tabs.components.texts import t


def reconstruct(image: Upload, model: str) -> Png:
    """Encode an image into a latent vector or codes, and decode it again.

    Args:
        image: an image file, at most 8 MB; for a model of digits one digit, otherwise the central square is used
        model: name of an autoencoder, a VAE or a VQ-VAE
    Returns:
        a PNG in the model's own size
    """
    return Png(endpoints.uploads.reconstruct(image, model=model))


def _shown(image: Upload, model: str, step: str) -> tuple[Png, Png]:
    before, after = endpoints.uploads.reconstruction(image, model=model, step=step)
    return enlarged(before, 420), enlarged(after, 420)


def build(demo: gr.Blocks) -> None:
    """Add the tab and its endpoint."""
    with gr.Tab(t("reconstruct.tab")) as tab:
        expose(reconstruct)
        gr.Markdown(t("reconstruct.intro"))
        with gr.Row():
            image = image_input(t("reconstruct.image"), photograph("astronaut.jpg"))
            picker = pick_model("portraits_vqvae_64", "reconstruct")
        with gr.Row():
            before = image_output(t("reconstruct.before"))
            after = image_output(t("reconstruct.after"))
    show([tab.select, *picker.triggers, image.upload], _shown, [image, *picker.inputs], [before, after])
