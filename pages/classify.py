"""Classify: the answers of several classifiers to one digit, each one's typical digits, and its mistakes."""

from __future__ import annotations

import streamlit as st

from genmodels.runs.catalog import CheckpointInfo
from genmodels.service import classify
from pages.components import view
from pages.components.model_choice import check_model, pick_model, pick_part
from pages.components.page import model_page
from pages.components.theme import friendly_errors
from pages.parts.classify import mistakes, predictions, typical_digits

_PARTS = ("ask", "typical", "mistakes")


def _one_classifier(part: str, infos: dict[str, CheckpointInfo]) -> None:
    left, _ = st.columns([6, 4], gap="medium")
    with left:
        info = pick_model("classify", infos)
    with friendly_errors():
        if part == "typical":
            typical_digits.show(info)
        else:
            mistakes.show(info)


def _page(infos: dict[str, CheckpointInfo]) -> None:
    part = pick_part("classify", _PARTS)
    predictions.read_address(infos)
    view.read("classify", typical_digits.FIELDS)
    if part == "ask":
        check_model("classify", infos)
        st.fragment(predictions.show)(infos)
    else:
        _one_classifier(part, infos)


model_page("classify", classify.classifiers, _page, recipe="mnist_mlp_baseline")
