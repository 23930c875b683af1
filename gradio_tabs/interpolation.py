"""Tab: interpolation between two seeds."""

from __future__ import annotations

from typing import Literal

import gradio as gr

from genmodels.service import endpoints
from gradio_tabs.components.display import enlarged
from gradio_tabs.components.endpoints import expose, show
from gradio_tabs.components.files import Png, image_output
from gradio_tabs.components.model_picker import pick_model
from gradio_tabs.components.texts import t

_WIDTH = 1_120


def interpolate(model: str, seed_a: int, seed_b: int, steps: int = 12, way: Literal["slerp", "lerp"] = "slerp") -> Png:
    """Interpolate between the latent vectors of two seeds: images side by side in one PNG, without gaps.

    Args:
        model: name of a model with a latent space; a conditional model generates class 0
        seed_a: seed of the first image, any integer
        seed_b: seed of the last image, any integer
        steps: number of images, 2 to 64, both ends included
        way: slerp is spherical interpolation, which keeps the norm of z; lerp is linear
    Returns:
        a PNG of `steps` images in the model's own size
    """
    return Png(endpoints.images.interpolate(model=model, seed_a=seed_a, seed_b=seed_b, steps=steps, way=way))


def _shown(model: str, label: int | None, step: str, seed_a: int, seed_b: int, steps: int) -> tuple[Png, Png]:
    values = {"model": model, "label": label, "step": step, "seed_a": seed_a, "seed_b": seed_b, "steps": steps}
    spherical, linear = (endpoints.images.interpolate(**values, way=way) for way in ("slerp", "lerp"))
    return enlarged(spherical, _WIDTH), enlarged(linear, _WIDTH)


def build(demo: gr.Blocks) -> None:
    """Add the tab and its endpoint."""
    with gr.Tab(t("interpolation.tab")) as tab:
        expose(interpolate, work="background")
        gr.Markdown(t("interpolation.intro"))
        with gr.Row():
            picker = pick_model("mnist_gan", "interpolation", classes=True)
        with gr.Row():
            seed_a = gr.Number(14, precision=0, label=t("interpolation.seed_a"), info=t("interpolation.seed_info"))
            seed_b = gr.Number(7, precision=0, label=t("interpolation.seed_b"), info=t("interpolation.seed_info"))
            steps = gr.Slider(2, 24, 12, step=1, label=t("interpolation.steps"), info=t("interpolation.steps_info"))
        spherical = image_output(t("interpolation.spherical"))
        linear = image_output(t("interpolation.linear"))
    show(
        [tab.select, *picker.triggers, seed_a.input, seed_b.input, steps.input],
        _shown,
        [*picker.inputs, seed_a, seed_b, steps],
        [spherical, linear],
        work="background",
    )
