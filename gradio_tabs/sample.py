"""Tab: samples of consecutive seeds."""

from __future__ import annotations

import gradio as gr

from genmodels.service import endpoints
from gradio_tabs.components.endpoints import expose, lane, served
from gradio_tabs.components.files import Png, image_output
from gradio_tabs.components.texts import t

MODEL = "mnist_vae_20"


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
    return Png(endpoints.sample(model=model, seed=seed, n=n, label=label, step=step))


def build(demo: gr.Blocks) -> None:
    """Add the tab and its endpoint."""
    expose(sample)
    with gr.Tab(t("sample.tab")):
        gr.Markdown(t("sample.intro"))
        model = gr.Dropdown([MODEL], value=MODEL, label=t("sample.model"))
        seed = gr.Number(0, precision=0, label=t("sample.seed"))
        count = gr.Slider(1, 64, value=16, step=1, label=t("sample.count"))
        result = image_output(label=t("sample.result"))
    gr.on(
        [demo.load, model.change, seed.input, count.release],
        served(sample),
        [model, seed, count],
        result,
        api_visibility="private",
        trigger_mode="always_last",
        show_progress="hidden",
        **lane("inference"),
    )
