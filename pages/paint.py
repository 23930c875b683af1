"""Paint pixel by pixel: sample and complete images; receptive fields, and the surprise of each pixel of an image."""

from __future__ import annotations

import streamlit as st

from genmodels.runs.catalog import CheckpointInfo
from genmodels.service import paint
from genmodels.service.paint import Facts
from pages.components.i18n import t
from pages.components.layout import wide_workspace
from pages.components.model_choice import pick_model_and_step, pick_part
from pages.components.page import model_page
from pages.components.theme import friendly_errors
from pages.parts.paint import codes, complete, field, state, surprise, watch

_PIXELS_ONLY = ("field", "surprise")


def _generate(info: CheckpointInfo, step: int, facts: Facts) -> None:
    parts = wide_workspace("paint")
    with parts.controls:
        request = state.sampling_options(info, step, facts, more=parts.more)
    state.write_address(info, facts, step, request)
    state.offer_code(request)
    with parts.result:
        (codes if paint.has_codes(info) else watch).show(info, facts, request)


def _page(infos: dict[str, CheckpointInfo]) -> None:
    part = pick_part("paint", state.PARTS)
    info, step = pick_model_and_step("paint", infos)
    with friendly_errors():
        facts = paint.facts(info.name)
        state.read_address(info, facts)
        state.read_pixel(part, facts, paint.has_codes(info))
        if part in _PIXELS_ONLY and paint.has_codes(info):
            st.info(t("paint.codes.pixels_only"), icon=":material/info:")
        elif part == "generate":
            _generate(info, step, facts)
        else:
            {"complete": complete, "field": field, "surprise": surprise}[part].show(info, step)


model_page("paint", paint.checkpoints, _page, recipe="mnist_gated_pixelcnn")
