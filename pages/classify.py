"""Classify: one digit before every classifier, what each finds typical of a digit, and where it goes wrong."""

from __future__ import annotations

import streamlit as st

from genmodels.catalog import CheckpointInfo
from genmodels.errors import GenmodelsError
from genmodels.service import classify
from pages.components.i18n import t
from pages.components.model_choice import check_model, pick_model, pick_part
from pages.components.theme import error_box, friendly_errors, page_title
from pages.parts.classify import ask, mistakes, typical

_PARTS = ("ask", "typical", "mistakes")


def _one_classifier(part: str, infos: dict[str, CheckpointInfo]) -> None:
    left, _ = st.columns([6, 4], gap="medium")
    with left:
        info = pick_model("classify", infos)
    with friendly_errors():
        if part == "typical":
            typical.show(info)
        else:
            mistakes.show(info)


def _page() -> None:
    page_title(t("classify.title"), t("classify.intro"))
    infos = {info.name: info for info in classify.classifiers()}
    if not infos:
        st.info(t("classify.empty"), icon=":material/model_training:")
        st.page_link(
            "train.py",
            label=t("classify.empty_link"),
            icon=":material/arrow_forward:",
            query_params={"recipe": "mnist_mlp_baseline"},
        )
        return
    part = pick_part("classify", _PARTS)
    if part == "ask":
        check_model("classify", infos)
        st.fragment(ask.show)(infos)
    else:
        _one_classifier(part, infos)


try:
    _page()
except GenmodelsError as error:
    error_box(str(error))
