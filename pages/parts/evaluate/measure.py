"""Asking for figures that were not measured yet, and how far that is."""

from __future__ import annotations

import streamlit as st

from genmodels.catalog import CheckpointInfo
from genmodels.errors import GenmodelsError
from genmodels.public import public_mode
from genmodels.service import evaluate
from genmodels.service.evaluate import Measured
from pages.components.i18n import t
from pages.components.theme import error_box, plain

_EVERY = 1.0
_USUAL = 40.0  # seconds a model of digits takes where nothing else runs; only the bar's pace depends on it


def show(info: CheckpointInfo, step: int, found: Measured | None) -> None:
    """Where the figures come from, the buttons that measure what is missing, and the measurement that runs."""
    draws = "sampling" in info.capabilities and info.modality == "image"
    if found is not None and found.samples is None:
        key = f"evaluate.from_card{'' if draws else '_whole'}"
        st.caption(t(key, name=plain(info.name), step=f"{step:,}", count=f"{found.published:,}"))
    elif found is not None:
        text = t(f"evaluate.from_here{'' if draws else '_whole'}", samples=f"{found.samples:,}", step=f"{step:,}")
        st.info(text, icon=":material/science:")
    else:
        st.info(t("evaluate.unmeasured", step=f"{step:,}"), icon=":material/science:")
    missing = evaluate.worth_measuring(info)
    if public_mode():
        if found is None or missing:
            st.caption(t("evaluate.public"))
        return
    jobs = evaluate.jobs_of(info.name)
    row = st.container(horizontal=True, key="evaluate_actions")
    running = any(job.ended is None for job in jobs)
    # A card that is older than a figure lacks it.
    lacks = found is not None and found.samples is None and evaluate.lacks(info, found)
    if found is None or lacks:
        row.button(
            t("evaluate.measure_again" if lacks else "evaluate.measure"),
            key="evaluate_measure",
            type="secondary" if lacks else "primary",
            icon=":material/science:",
            on_click=_ask,
            args=(info.name, (step,)),
            disabled=running,
            help=t(f"evaluate.measure_help{'' if draws else '_whole'}", samples=f"{evaluate.SAMPLES:,}"),
        )
    if len(info.steps) > 1 and missing:
        row.button(
            t("evaluate.measure_steps", count=len(missing)),
            key="evaluate_measure_steps",
            icon=":material/timeline:",
            on_click=_ask,
            args=(info.name, missing),
            disabled=running,
            help=t(
                "evaluate.measure_steps_help",
                most=evaluate.MAX_STEPS,
                samples=f"{evaluate.SAMPLES:,}",
                steps=", ".join(f"{one:,}" for one in missing),
            ),
        )
    if said := st.session_state.pop("evaluate_refused", ""):
        error_box(said)
    for job in jobs:
        if job.problem:
            error_box(job.problem, t("common.error.title"))
    if running:
        _progress(info.name)


def _ask(name: str, steps: tuple[int, ...]) -> None:
    evaluate.forget(name)
    try:
        for step in steps:
            evaluate.measure(name, step)
    except GenmodelsError as error:
        st.session_state.evaluate_refused = str(error)


@st.fragment(run_every=_EVERY)
def _progress(name: str) -> None:
    """Looks each second, and draws the page anew as soon as something was measured."""
    waiting = [job for job in evaluate.jobs_of(name) if job.ended is None]
    shown = st.session_state.get("evaluate_open", 0)
    st.session_state.evaluate_open = len(waiting)
    if len(waiting) < shown or not waiting:
        st.rerun(scope="app")
    first = next((job for job in waiting if job.started is not None), waiting[0])
    done = min(0.98, first.seconds / _USUAL)
    place = evaluate.position(first)
    text = "evaluate.waiting" if place else "evaluate.running"
    st.progress(
        done,
        t(text, step=f"{first.step:,}", seconds=f"{first.seconds:.0f}", more=len(waiting) - 1, place=place),
    )
    st.button(
        t("evaluate.cancel"),
        key="evaluate_cancel",
        icon=":material/close:",
        on_click=evaluate.cancel,
        args=(name,),
        help=t("evaluate.cancel_help"),
    )
