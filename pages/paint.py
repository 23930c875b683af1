"""Paint pixel by pixel: watch a picture being painted, complete one, see what a pixel sees and how it surprises."""

from __future__ import annotations

import streamlit as st

from genmodels.catalog import CheckpointInfo
from genmodels.errors import GenmodelsError
from genmodels.service import paint
from pages.components.i18n import t
from pages.components.model_choice import pick_model, pick_part, pick_step
from pages.components.theme import error_box, friendly_errors, page_title
from pages.parts.paint import complete, field, state, surprise, watch


def _generate(info: CheckpointInfo, step: int) -> None:
    known = paint.facts(info.name)
    controls, pictures = st.columns([1, 3], gap="large")
    with controls:
        asking = state.knobs(info, step, known)
    state.write_address(asking)
    with pictures:
        watch.show(info, known, asking)


def _page() -> None:
    page_title(t("paint.title"), t("paint.intro"))
    infos = {info.name: info for info in paint.painters()}
    if not infos:
        st.info(t("paint.empty"), icon=":material/model_training:")
        st.page_link(
            "train.py",
            label=t("paint.empty_link"),
            icon=":material/arrow_forward:",
            query_params={"recipe": "mnist_gated_pixelcnn"},
        )
        return
    state.read_address()
    left, right = st.columns(2, gap="medium")
    with left:
        info = pick_model("paint", infos)
    with right:
        step = pick_step("paint", info)
    state.read_class(info)
    part = pick_part("paint", state.PARTS)
    with friendly_errors():
        if part == "generate":
            _generate(info, step)
        else:
            {"complete": complete, "field": field, "surprise": surprise}[part].show(info, step)


try:
    _page()
except GenmodelsError as error:
    error_box(str(error))
