"""Paint pixel by pixel: watch a picture being painted, complete one, see what a pixel sees and how it surprises."""

from __future__ import annotations

import streamlit as st

from genmodels.catalog import CheckpointInfo
from genmodels.errors import GenmodelsError
from genmodels.service import paint
from pages.components import paint_complete, paint_field, paint_surprise, paint_watch
from pages.components import paint_state as state
from pages.components.i18n import t
from pages.components.theme import error_box, friendly_errors, page_title


def _generate(info: CheckpointInfo, step: int) -> None:
    known = paint.facts(info.name)
    controls, pictures = st.columns([1, 3], gap="large")
    with controls:
        asking = state.knobs(info, step, known)
    state.write_address(asking)
    with pictures:
        paint_watch.show(info, known, asking)


def _pick_part() -> str:
    chosen = st.segmented_control(
        t("paint.part"),
        state.PARTS,
        format_func=lambda part: t(f"paint.parts.{part}"),
        required=True,
        key="paint_part",
        help=t("paint.part_help"),
        label_visibility="collapsed",
    )
    return str(chosen)


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
    state.read_address(infos)
    left, right = st.columns(2, gap="medium")
    with left:
        st.selectbox(
            t("paint.model"),
            list(infos),
            format_func=lambda name: state.option(infos[name]),
            key="paint_model",
            help=t("paint.model_help"),
        )
    info = infos[st.session_state.paint_model]
    with right:
        step = state.pick_step(info)
    part = _pick_part()
    with friendly_errors():
        if part == "generate":
            _generate(info, step)
        else:
            {"complete": paint_complete, "field": paint_field, "surprise": paint_surprise}[part].show(info, step)
    if part in ("field", "surprise"):
        state.write_view()


try:
    _page()
except GenmodelsError as error:
    error_box(str(error))
