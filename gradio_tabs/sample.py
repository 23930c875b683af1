"""Tab: samples of consecutive seeds."""

from __future__ import annotations

import gradio as gr

from genmodels.service import endpoints
from gradio_tabs.components.display import enlarged
from gradio_tabs.components.endpoints import expose, show
from gradio_tabs.components.files import Png, image_output
from gradio_tabs.components.model_picker import pick_model
from gradio_tabs.components.texts import t


def sample(model: str, seed: int = 0, n: int = 1, label: int | None = None, step: int | None = None) -> Png:
    """Generate images from consecutive seeds: one PNG, rows of up to eight images without gaps.

    Args:
        model: name of a model that generates images; the endpoint models lists them
        seed: any integer; the images have the seeds seed, seed + 1, ...
        n: number of images, 1 to 64
        label: class of all images, counted from 0; empty is class 0. Leave it out for an unconditional model
        step: saved training step; empty is the newest
    Returns:
        a PNG in the model's own size
    """
    return Png(endpoints.images.sample(model=model, seed=seed, n=n, label=label, step=step))


def _shown(model: str, label: int | None, step: str, seed: int, n: int) -> Png:
    return enlarged(sample(model, seed, n, label, step))  # type: ignore[arg-type]


def build(demo: gr.Blocks) -> None:
    """Add the tab and its endpoint."""
    with gr.Tab(t("sample.tab")):
        expose(sample, work="background")
        gr.Markdown(t("sample.intro"))
        with gr.Row():
            with gr.Column():
                picker = pick_model("mnist_cgan_conv", "sample", classes=True)
                seed = gr.Number(0, precision=0, label=t("common.seed"), info=t("sample.seed_info"))
                count = gr.Slider(1, 64, 16, step=1, label=t("sample.count"), info=t("sample.count_info"))
            result = image_output(t("sample.result"))
    show(
        [demo.load, *picker.triggers, seed.input, count.input],
        _shown,
        [*picker.inputs, seed, count],
        result,
        work="background",
    )
