"""The buttons that measure missing metrics, and the progress of a measurement."""

from __future__ import annotations

import streamlit as st

from genmodels.errors import GenmodelsError
from genmodels.public import public_mode
from genmodels.runs.catalog import CheckpointInfo
from genmodels.service import evaluate
from genmodels.service.evaluate import Measured
from pages.components.i18n import t
from pages.components.theme import error_box, plain
from train_jobs import QueueError, measuring
from train_jobs.measuring import Measurement

_POLL = 1.0
_EXPECTED_SECONDS = 40.0  # for a model of digits on an idle machine; sets only the speed of the progress bar


def show(info: CheckpointInfo, step: int, measured: Measured | None) -> None:
    """Show the source of the metrics, the buttons that measure missing ones, and the running measurement."""
    generates = "sampling" in info.capabilities and info.modality == "image"
    if measured is not None and measured.samples is None:
        key = f"evaluate.published{'' if generates else '_whole'}"
        st.caption(t(key, name=plain(info.name), step=f"{step:,}", count=f"{measured.published:,}"))
    elif measured is not None:
        text = t(
            f"evaluate.measured_here{'' if generates else '_whole'}", samples=f"{measured.samples:,}", step=f"{step:,}"
        )
        st.info(text, icon=":material/science:")
    else:
        st.info(t("evaluate.unmeasured", step=f"{step:,}"), icon=":material/science:")
    missing = evaluate.steps_to_measure(info)
    if public_mode():
        if measured is None or missing:
            st.caption(t("evaluate.public"))
        return
    measurements = _measurements(info.name)
    row = st.container(horizontal=True, key="evaluate_actions")
    running = any(one.active for one in measurements)
    # A card written before a metric existed lacks it.
    lacks = measured is not None and measured.samples is None and evaluate.is_incomplete(info, measured)
    if measured is None or lacks:
        row.button(
            t("evaluate.measure_again" if lacks else "evaluate.measure"),
            key="evaluate_measure",
            type="secondary" if lacks else "primary",
            icon=":material/science:",
            on_click=_start,
            args=(info.name, (step,)),
            disabled=running,
            help=t(f"evaluate.measure_help{'' if generates else '_whole'}", samples=f"{evaluate.SAMPLES:,}"),
        )
    if len(info.steps) > 1 and missing:
        row.button(
            t("evaluate.measure_steps", count=len(missing)),
            key="evaluate_measure_steps",
            icon=":material/timeline:",
            on_click=_start,
            args=(info.name, missing),
            disabled=running,
            help=t(
                "evaluate.measure_steps_help",
                most=evaluate.MAX_STEPS,
                samples=f"{evaluate.SAMPLES:,}",
                steps=", ".join(f"{one:,}" for one in missing),
            ),
        )
    if refusal := st.session_state.pop("evaluate_refused", ""):
        error_box(refusal)
    for one in measurements:
        if one.state == "FAILED":
            error_box(one.error or "", t("common.error.title"))
    if running:
        _progress(info.name)


def _measurements(name: str) -> tuple[Measurement, ...]:
    """The measurements of a checkpoint; if the queue cannot be read, the page says so and shows the known metrics."""
    try:
        return measuring.of(name)
    except QueueError as error:
        error_box(str(error))
        return ()


def _start(name: str, steps: tuple[int, ...]) -> None:
    try:
        measuring.forget(name)
        for step in steps:
            measuring.start(name, step)
    except GenmodelsError as error:
        st.session_state.evaluate_refused = str(error)


def _cancel(name: str) -> None:
    try:
        measuring.cancel(name)
    except GenmodelsError as error:
        st.session_state.evaluate_refused = str(error)


@st.fragment(run_every=_POLL)
def _progress(name: str) -> None:
    """Show the progress, updated each second; when a step was measured, the page reruns."""
    waiting = [one for one in _measurements(name) if one.active]
    shown = st.session_state.get("evaluate_open", 0)
    st.session_state.evaluate_open = len(waiting)
    if len(waiting) < shown or not waiting:
        st.rerun(scope="app")
    first = next((one for one in waiting if one.state == "RUNNING"), waiting[0])
    done = min(0.98, first.seconds / _EXPECTED_SECONDS)
    text = "evaluate.waiting" if first.position else "evaluate.running"
    st.progress(
        done,
        t(text, step=f"{first.step:,}", seconds=f"{first.seconds:.0f}", more=len(waiting) - 1, place=first.position),
    )
    if first.state == "PENDING" and first.error:
        st.warning(t("runs.state_text.PENDING_problem", error=plain(first.error)), icon=":material/warning:")
    st.button(
        t("evaluate.cancel"),
        key="evaluate_cancel",
        icon=":material/close:",
        on_click=_cancel,
        args=(name,),
        help=t("evaluate.cancel_help"),
    )
