"""Evaluate: how good is a model? Its figures with what they mean, and what the figures are made from."""

from __future__ import annotations

import streamlit as st

from genmodels.errors import GenmodelsError
from genmodels.service import evaluate
from pages.components import evaluate_figures
from pages.components.i18n import t
from pages.components.model_choice import pick_model, pick_step
from pages.components.theme import error_box, friendly_errors, page_title, plain
from pages.parts.evaluate import charts, look, measure

_PREFERRED = "mnist_cgan_conv"  # has every figure there is


def _page() -> None:
    page_title(t("evaluate.title"), t("evaluate.intro"))
    infos = {info.name: info for info in evaluate.checkpoints()}
    if not infos:
        st.info(t("evaluate.empty"), icon=":material/model_training:")
        st.page_link("train.py", label=t("evaluate.empty_link"), icon=":material/arrow_forward:")
        return
    left, right = st.columns([6, 4], gap="medium")
    with left:
        info = pick_model("evaluate", infos, _PREFERRED)
    with right:
        step = pick_step("evaluate", info)
    st.caption(t("evaluate.data", data=plain(info.data)))
    with friendly_errors():
        found = evaluate.known(info, step)
        measure.show(info, step, found)
        if found is not None:
            evaluate_figures.show(info, found)
            charts.show(info, found)
        charts.over_training(info)
    look.show(info, step)


try:
    _page()
except GenmodelsError as error:
    error_box(str(error))
