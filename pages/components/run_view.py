"""The live view of one run: state, progress, curves, previews, events and log; used by Train, Runs and Stylize.

Everything is read from the queue and the run folder, so a reload or another browser shows the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

import train_jobs
from genmodels.errors import GenmodelsError, UnknownNameError
from genmodels.recipes import Spec
from genmodels.text import duration
from genmodels.training import estimate
from genmodels.training.estimate import Outline
from pages.components import metrics_tail, run_actions, run_curves, run_previews, verdict
from pages.components.i18n import has, t
from pages.components.theme import friendly_errors, message, plain
from train_jobs import Job

POLL = 2.0
"""Seconds between two updates of an active run."""
POLL_FIRST = 0.5
"""The same until the first point is there, which somebody who has just clicked Start waits for."""
SMOOTHINGS = {"none": 0.0, "some": 0.8, "strong": 0.97}
"""Weights of the moving average over the points of a curve."""
_COLORS: dict[str, Any] = {
    "PENDING": "gray",
    "RUNNING": "blue",
    "SUCCEEDED": "green",
    "FAILED": "red",
    "STOPPED": "orange",
}


def compact(job_id: str) -> None:
    """Show the panel of the Train page: state, main curves, newest preview. Raises UnknownNameError if unknown."""
    job = train_jobs.job(job_id)
    live(job, _draw_compact)
    run_actions.main(job)


def full(job_id: str) -> None:
    """Show everything about a run. Raises UnknownNameError if there is no such run."""
    job = train_jobs.job(job_id)
    left, right = st.columns([3, 1], vertical_alignment="center")
    left.header(plain(job.name), anchor=False)
    with right.container(horizontal=True, horizontal_alignment="right"):
        st.badge(state_text(job), color=_COLORS[job.state] if job.silent is None else "orange")
    verdict.of_run(job)
    run_actions.main(job)
    live(job, _draw_full)
    spec = _spec_of(job)
    if spec is not None:
        run_actions.live_settings(job, spec)
        _settings(job, spec)
    run_actions.manage(job)


def live(job: Job, draw: Callable[[Job], None]) -> None:
    """Call `draw` with the run, repeatedly while it is active; when it ends, the whole page runs once more."""
    shown = _stage(job)

    def tick() -> None:
        try:
            now = train_jobs.job(job.id)
        except UnknownNameError:
            st.rerun()  # deleted by someone else: the page reports it
        if _stage(now) != shown:
            st.rerun()
        with friendly_errors():
            draw(now)

    every = None if not job.active else POLL_FIRST if _awaited(job) else POLL
    st.fragment(tick, run_every=every, key=f"live-{job.id}")()


def _stage(job: Job) -> tuple[str, bool, bool]:
    """What the page around the live part depends on: its timer, and which buttons are enabled."""
    return job.state, _awaited(job), job.phase == "training"


def _awaited(job: Job) -> bool:
    """Whether the first point is expected soon; a job in the queue is polled less often."""
    started = job.state == "RUNNING" or (job.state == "PENDING" and time.time() - job.created < 10)
    return started and job.folder.metrics_stamp()[1] == 0


def _draw_compact(job: Job) -> None:
    progress(job)
    series = metrics_tail.series_of(job.folder)
    outline = _outline_of(job)
    groups = list(run_curves.groups_of(series).items())[:1]
    _curves(job, series, outline, dict(groups), explain=False)
    run_previews.newest(job)


def _draw_full(job: Job) -> None:
    progress(job)
    series = metrics_tail.series_of(job.folder)
    outline = _outline_of(job)
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.subheader(t("runs.curves"), anchor=False)
        with st.container(key="runs_curves"):
            _curves(job, series, outline, run_curves.groups_of(series), explain=True)
        run_previews.diversity(job, series, outline)
        _events(job)
    with right:
        run_previews.slideshow(job)
    if train_jobs.public_mode():
        return  # the log names folders of the server and commands for its owner
    with st.expander(t("runs.log"), icon=":material/article:", key="runs_log"):
        st.code(job.folder.log_tail(60) or t("runs.log_empty"), language=None, height=260)


# --------------------------------------------------------------------------- parts


def state_text(job: Job) -> str:
    """The state in one or two words, for lists."""
    return t("runs.state.not_responding" if job.silent is not None else f"runs.state.{job.state}")


def in_words(job: Job) -> str:
    """The state as a sentence."""
    if job.state == "PENDING":
        if job.error:
            return t("runs.state_text.PENDING_problem", error=plain(job.error))
        return (
            t("runs.state_text.PENDING", position=job.position) if job.position else t("runs.state_text.PENDING_plain")
        )
    if job.silent is not None:
        cause = {"lost": "lost", "stopping": "silent_stopping"}.get(job.phase or "", "silent")
        return t(f"runs.state_text.{cause}", device=job.device or t("runs.no_device"), time=duration(job.silent))
    if job.state == "RUNNING":
        phase = t(f"runs.phase.{job.phase}") if has(f"runs.phase.{job.phase}") else str(job.phase)
        return t("runs.state_text.RUNNING", device=job.device or t("runs.no_device"), phase=phase)
    if job.state == "FAILED":
        return t(
            "runs.state_text.FAILED", step=job.step, error=message(job.error) if job.error else t("runs.no_error_text")
        )
    return t(f"runs.state_text.{job.state}", step=job.step, max_steps=job.max_steps, device=job.device or "cpu")


def progress(job: Job) -> None:
    """Show the state as a sentence, and a progress bar with the step, the speed and the time left."""
    if job.state == "FAILED":
        st.error(in_words(job), icon=":material/error:")
    elif job.silent is not None or (job.state == "PENDING" and job.error):
        st.warning(in_words(job), icon=":material/warning:")
    else:
        st.markdown(in_words(job))
    parts = [t("runs.progress", step=job.step, max_steps=job.max_steps)]
    if job.speed:
        parts.append(t("runs.speed", speed=f"{job.speed:,.0f}" if job.speed >= 10 else f"{job.speed:.1f}"))
    if job.seconds_left is not None and job.state == "RUNNING":
        parts.append(t("runs.remaining", time=duration(job.seconds_left)))
    if job.started and job.finished and job.finished >= job.started:  # else the clock was set in the meantime
        parts.append(t("runs.took", time=duration(job.finished - job.started)))
    fraction = min(1.0, job.step / job.max_steps) if job.max_steps else 0.0
    st.progress(fraction, text=" · ".join(parts))
    if job.device_note and job.active:
        st.caption(plain(job.device_note))


def _curves(
    job: Job, series: metrics_tail.Series, outline: Outline | None, groups: Mapping[str, list[str]], *, explain: bool
) -> None:
    if not groups:
        st.caption(t("runs.no_curves") if job.active else t("runs.curves_none"))
        return
    meanings = run_curves.with_held_out(outline.curves if outline else {}, series)
    marks = [{"step": event["step"], "what": _event_text(event, str)} for event in valid_events(job)]
    smoothing = _smoothing() if explain else 0.0
    for group, names in groups.items():
        if explain:
            st.markdown(f"**{plain(run_curves.title_of(group))}**")
        count, outside = run_curves.chart(
            series, names, meanings, marks, axis=run_curves.title_of(group), smoothing=smoothing
        )
        if explain:
            lines = [f"**{meanings[name].label}**: {meanings[name].meaning}" for name in names if name in meanings]
            if count > 1:
                lines.append(t("runs.each_point", count=count))
            if outside:
                lines.append(t("runs.outside", count=outside))
            st.caption("  \n".join(lines))


def _smoothing() -> float:
    """The weight of the moving average."""
    chosen = st.segmented_control(
        t("runs.smoothing"),
        list(SMOOTHINGS),
        default="none",
        format_func=lambda name: t(f"runs.smoothings.{name}"),
        required=True,
        key="runs_smoothing",
        help=t("runs.smoothing_help"),
    )
    return SMOOTHINGS[chosen or "none"]


def valid_events(job: Job) -> list[dict[str, Any]]:
    """The events of a run, without damaged lines, which must not hide the run."""
    return [event for event in job.folder.events() if _has_step(event) and _has_time(event)]


def _has_step(event: Mapping[str, Any]) -> bool:
    step = event.get("step")
    return isinstance(step, int) and 0 <= step < 2**53


def _has_time(event: Mapping[str, Any]) -> bool:
    """Whether the event's time can be shown by a clock."""
    when = event.get("time", 0)
    return isinstance(when, int | float) and 0 <= when < 1e11


def _events(job: Job) -> None:
    events = valid_events(job)
    if not events:
        return
    st.markdown(f"**{t('runs.events')}**")
    lines = []
    for event in reversed(events[-12:]):
        when = time.strftime("%H:%M:%S", time.localtime(float(event.get("time", 0))))
        lines.append(f"- {when} · {_event_text(event, plain)}")
    st.markdown("\n".join(lines))


def _event_text(event: Mapping[str, Any], escape: Callable[[str], str]) -> str:
    """The event as a sentence; `escape` is applied to texts of the run, for Markdown or for a chart."""
    kind = str(event.get("kind"))
    fields = {
        str(key): value if value is None or isinstance(value, int | float) else escape(str(value))
        for key, value in event.items()
        if key != "kind"
    }
    try:
        if kind == "initialised_from" and event["from_scratch"]:
            return t(
                "runs.event.initialised_from_partly", **fields, from_scratch=escape(", ".join(event["from_scratch"]))
            )
        return t(f"runs.event.{kind}", **fields)
    except (KeyError, TypeError, ValueError):  # written by another version, with other fields
        return t("runs.event.other", step=event["step"], kind=escape(kind))


def _settings(job: Job, spec: Spec) -> None:
    with st.expander(t("runs.settings"), icon=":material/settings:", key="runs_settings"):
        st.json(
            {
                "recipe": spec.recipe,
                "preset": spec.preset,
                "model": {spec.family: spec.model},
                "data": spec.data.name,
                "train": spec.train.model_dump(mode="json"),
                "run": spec.run.model_dump(mode="json"),
                "executed": job.folder.runtime(),
            }
        )


def _spec_of(job: Job) -> Spec | None:
    """The resolved spec; None for a damaged run, whose state shows the cause."""
    try:
        return job.folder.spec()
    except GenmodelsError:
        return None


def _outline_of(job: Job) -> Outline | None:
    """Parameters and curves of the model; None if the run is damaged or its config no longer builds a model."""
    try:
        return estimate.outline(job.folder.spec())
    except GenmodelsError:
        return None
