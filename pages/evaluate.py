"""Evaluate: how good is a model? Its figures with what they mean, and what the figures are made from."""

from __future__ import annotations

import streamlit as st

from genmodels.catalog import CheckpointInfo
from genmodels.errors import GenmodelsError
from genmodels.service import evaluation
from pages.components import evaluate_charts, evaluate_figures, evaluate_look, evaluate_measure
from pages.components.i18n import t
from pages.components.theme import error_box, friendly_errors, page_title, plain


def _pick_model(infos: dict[str, CheckpointInfo]) -> CheckpointInfo:
    """The model picker, bound to `?model=`."""
    memory = st.session_state
    wanted = st.query_params.get("model")
    if wanted != memory.get("evaluate_address"):
        if wanted in infos:
            memory.evaluate_model = wanted
        elif wanted:
            st.warning(t("evaluate.unknown_model", name=plain(wanted[:80])), icon=":material/search_off:")
    if memory.get("evaluate_model") not in infos:
        kept = memory.get("evaluate_address")
        memory.evaluate_model = kept if kept in infos else next(iter(infos))

    def label(name: str) -> str:
        info = infos[name]
        return t(f"evaluate.model_option.{'published' if info.published else 'run'}", title=info.title, name=name)

    chosen = st.selectbox(
        t("evaluate.model"), list(infos), format_func=label, key="evaluate_model", help=t("evaluate.model_help")
    )
    memory.evaluate_address = st.query_params["model"] = chosen
    return infos[chosen]


def _pick_step(info: CheckpointInfo) -> int:
    steps, memory = info.steps, st.session_state
    if memory.get("evaluate_of") != info.name or memory.get("evaluate_step") not in steps:
        memory.evaluate_step, memory.evaluate_of = steps[-1], info.name
    if len(steps) == 1:
        st.caption(t("evaluate.one_step", step=f"{steps[0]:,}"))
        return steps[0]
    return int(
        st.select_slider(
            t("evaluate.step"),
            steps,
            format_func=lambda step: f"{step:,}",
            key="evaluate_step",
            help=t("evaluate.step_help"),
            persist_state="session",
        )
    )


def _page() -> None:
    page_title(t("evaluate.title"), t("evaluate.intro"))
    infos = {info.name: info for info in evaluation.checkpoints()}
    if not infos:
        st.info(t("evaluate.empty"), icon=":material/model_training:")
        st.page_link("train.py", label=t("evaluate.empty_link"), icon=":material/arrow_forward:")
        return
    left, right = st.columns([6, 4], gap="medium")
    with left:
        info = _pick_model(infos)
    with right:
        step = _pick_step(info)
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
