"""Classify: one digit before every classifier, what each finds typical of a digit, and where it goes wrong."""

from __future__ import annotations

import streamlit as st

from genmodels.catalog import CheckpointInfo
from genmodels.errors import GenmodelsError
from genmodels.service import classify
from pages.components import classify_ask, classify_mistakes, classify_typical
from pages.components.i18n import t
from pages.components.theme import error_box, friendly_errors, page_title, plain

_PARTS = ("ask", "typical", "mistakes")


def _pick_part() -> str:
    """Which view is shown, bound to `?part=`. Only that one is computed."""
    memory = st.session_state
    wanted = st.query_params.get("part")
    if wanted != memory.get("classify_part_address") and wanted in _PARTS:
        memory.classify_part = wanted
    memory.setdefault("classify_part", memory.get("classify_part_address", _PARTS[0]))
    chosen = st.segmented_control(
        t("classify.part"),
        _PARTS,
        format_func=lambda part: t(f"classify.parts.{part}"),
        required=True,
        key="classify_part",
        help=t("classify.part_help"),
        label_visibility="collapsed",
    )
    memory.classify_part_address = st.query_params["part"] = str(chosen)
    return str(chosen)


def _pick_model(infos: dict[str, CheckpointInfo]) -> CheckpointInfo:
    """The classifier that is looked into, bound to `?model=`."""
    memory = st.session_state
    wanted = st.query_params.get("model")
    if wanted != memory.get("classify_address"):
        if wanted in infos:
            memory.classify_model = wanted
        elif wanted:
            st.warning(t("classify.unknown_model", name=plain(wanted[:80])), icon=":material/search_off:")
    if memory.get("classify_model") not in infos:
        kept = memory.get("classify_address")
        memory.classify_model = kept if kept in infos else next(iter(infos))
    chosen = st.selectbox(
        t("classify.model"),
        list(infos),
        format_func=lambda name: classify_ask.option(infos[name]),
        key="classify_model",
        help=t("classify.model_help"),
    )
    memory.classify_address = st.query_params["model"] = chosen
    return infos[chosen]


def _one_classifier(part: str, infos: dict[str, CheckpointInfo]) -> None:
    left, _ = st.columns([6, 4], gap="medium")
    with left:
        info = _pick_model(infos)
    with friendly_errors():
        if part == "typical":
            classify_typical.show(info)
        else:
            classify_mistakes.show(info)


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
    part = _pick_part()
    if part == "ask":
        st.fragment(classify_ask.show)(infos)
    else:
        _one_classifier(part, infos)


try:
    _page()
except GenmodelsError as error:
    error_box(str(error))
