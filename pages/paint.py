"""Paint pixel by pixel: watch a picture being painted, complete one, see what a pixel sees and how it surprises."""

from __future__ import annotations

import streamlit as st

from genmodels.catalog import CheckpointInfo
from genmodels.service import paint
from pages.components.model_choice import pick_model_and_step, pick_part
from pages.components.page import model_page
from pages.components.theme import friendly_errors
from pages.parts.paint import complete, field, state, surprise, watch


def _generate(info: CheckpointInfo, step: int) -> None:
    known = paint.facts(info.name)
    controls, pictures = st.columns([1, 3], gap="large")
    with controls:
        asking = state.knobs(info, step, known)
    state.write_address(asking)
    with pictures:
        watch.show(info, known, asking)


def _page(infos: dict[str, CheckpointInfo]) -> None:
    state.read_address()
    info, step = pick_model_and_step("paint", infos)
    state.read_class(info)
    part = pick_part("paint", state.PARTS)
    with friendly_errors():
        if part == "generate":
            _generate(info, step)
        else:
            {"complete": complete, "field": field, "surprise": surprise}[part].show(info, step)


model_page("paint", paint.painters, _page, recipe="mnist_gated_pixelcnn")
