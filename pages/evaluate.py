"""Evaluate: the metrics of a model with their meaning, and the samples and scores behind them."""

from __future__ import annotations

import streamlit as st

from genmodels.runs.catalog import CheckpointInfo
from genmodels.service import evaluate
from pages.components import address, verdict, view
from pages.components.i18n import t
from pages.components.model_choice import pick_model_and_step
from pages.components.page import model_page
from pages.components.theme import friendly_errors, plain
from pages.parts.evaluate import charts, measure, metrics, sample_checks

_PUBLISHED = "mnist_cgan_conv"  # has the most metrics


def _preferred(infos: dict[str, CheckpointInfo]) -> str:
    """The newest run that was measured; a published checkpoint if there is none."""
    if "evaluate_model" in st.session_state:  # only the first choice depends on it
        return _PUBLISHED
    return evaluate.newest_measured(tuple(infos.values())) or _PUBLISHED


def _page(infos: dict[str, CheckpointInfo]) -> None:
    info, step = pick_model_and_step("evaluate", infos, _preferred(infos), columns=[6, 4])
    address.write("evaluate", "step", view.step_text(info, step))
    st.caption(t("evaluate.data", data=plain(info.data)))
    with friendly_errors():
        measured = evaluate.metrics_of(info, step)
        if measured is not None:
            verdict.show(info, measured.metrics)
        measure.show(info, step, measured)
        if measured is not None:
            metrics.show(info, measured)
            charts.show(info, measured)
        charts.over_training(info)
    sample_checks.show(info, step)


model_page("evaluate", evaluate.checkpoints, _page)
