"""Evaluate: how good is a model? Its figures with what they mean, and what the figures are made from."""

from __future__ import annotations

import streamlit as st

from genmodels.errors import GenmodelsError
from genmodels.service import evaluation
from pages.components import evaluate_charts, evaluate_figures, evaluate_look, evaluate_measure
from pages.components.i18n import t
from pages.components.model_choice import pick_model, pick_step
from pages.components.theme import error_box, friendly_errors, page_title, plain

_PREFERRED = "mnist_cgan_conv"  # has every figure there is


def _page() -> None:
    page_title(t("evaluate.title"), t("evaluate.intro"))
    infos = {info.name: info for info in evaluation.checkpoints()}
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
        found = evaluation.known(info, step)
        evaluate_measure.show(info, step, found)
        if found is not None:
            evaluate_figures.show(info, found)
            evaluate_charts.show(info, found)
        evaluate_charts.over_training(info)
    evaluate_look.show(info, step)


try:
    _page()
except GenmodelsError as error:
    error_box(str(error))
