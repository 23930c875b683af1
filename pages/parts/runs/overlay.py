"""Several runs in one chart, and how their settings differ; the selection is in the address."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

import train_jobs
from genmodels.errors import GenmodelsError, UnknownNameError
from genmodels.recipes import Spec
from genmodels.training import estimate
from pages.components import address, choice, metrics_tail, run_curves, run_view, trainable, view
from pages.components.i18n import t
from pages.components.metrics_tail import Series
from pages.components.view import Field
from pages.parts.runs import overlay_chart
from pages.parts.runs.overlay_chart import AXES, MOST, Curve
from train_jobs import Job

_KEY = "runs_overlay"
_SECTIONS = ("model", "data", "train")


def show(jobs: Sequence[Job]) -> None:
    """Show the picker of the runs to overlay, bound to `?overlay=`, and, with two or more, their chart and table."""
    by_id = {job.id: job for job in jobs}
    _read_address(by_id)
    with st.expander(
        t("runs.overlay.title"), icon=":material/stacked_line_chart:", key="runs_overlay_box", expanded=_is_open(by_id)
    ):
        chosen = choice.choose_several(
            t("runs.overlay.runs"),
            list(by_id),
            lambda job_id: by_id[job_id].name,
            key=_KEY,
            max_selections=MOST,
            help=t("runs.overlay.runs_help", most=MOST),
            placeholder=t("runs.overlay.runs_empty"),
            persist_state="session",
        )
        if len(chosen) < 2:
            st.caption(t("runs.overlay.too_few"))
            address.write("runs", "overlay", ",".join(chosen) or None)
            if address.written("runs", "metric") is not None:
                address.write("runs", "metric", None)
            view.write("runs", [_axis(), _smoothing(), _log()])
            return
        texts = choice.distinct_texts(_KEY, list(by_id), lambda job_id: by_id[job_id].name)
        # As one fragment: the settings of the chart do not run the page below again.
        active = any(by_id[job_id].active for job_id in chosen)
        every = run_view.POLL if active else None
        st.fragment(_draw, run_every=every, key="runs_overlay_live")(chosen, texts)


def _is_open(by_id: Mapping[str, Job]) -> bool:
    return sum(job_id in by_id for job_id in st.session_state.get(_KEY) or ()) > 1


def _read_address(by_id: Mapping[str, Job]) -> None:
    requested = address.requested(
        "runs", "overlay", lambda text: _ids(text, by_id), lambda value: t("runs.overlay.unknown", ids=value)
    )
    if requested is not None:
        st.session_state[_KEY] = requested
    elif address.left_out("runs", ["overlay"]):
        st.session_state[_KEY] = []
    view.read("runs", [_axis(), _smoothing(), _log()])


def _ids(text: str, by_id: Mapping[str, Job]) -> list[str]:
    """Different runs, at most MOST. Raises ValueError if one does not exist."""
    ids = list(dict.fromkeys(text[:1_000].split(",")))
    if len(ids) > MOST or not all(job_id in by_id for job_id in ids):
        raise ValueError(text)
    return ids


def _axis() -> Field:
    return view.choice_of("x", "runs_overlay_axis", AXES, "step")


def _smoothing() -> Field:
    return view.choice_of("smooth", "runs_overlay_smoothing", run_view.SMOOTHINGS, "none")


def _log() -> Field:
    return view.switch("log", "runs_overlay_log")


def _draw(ids: Sequence[str], texts: Mapping[str, str]) -> None:
    try:
        runs = [train_jobs.job(job_id) for job_id in ids]
    except UnknownNameError:
        st.rerun()  # deleted by someone else: the page shows the rest
    specs = {job.id: spec for job in runs if (spec := _spec_of(job)) is not None}
    series = {job.id: metrics_tail.series_of(job.folder) for job in runs}
    names = _metric_names(series.values())
    if not names:
        st.caption(t("runs.overlay.no_curves"))
        return
    labels = _labels(specs.values())
    address.bind(
        "runs",
        "metric",
        "runs_overlay_metric",
        address.member(names),
        address.problem("metric", address.one_of(names)),
        recheck=True,
    )
    with st.container(horizontal=True, vertical_alignment="bottom", key="runs_overlay_settings"):
        metric = choice.choose(
            t("runs.overlay.metric"),
            names,
            lambda name: _metric_text(name, labels),
            key="runs_overlay_metric",
            help=t("runs.overlay.metric_help"),
            width=260,
        )
        st.segmented_control(
            t("runs.overlay.axis"),
            AXES,
            format_func=lambda name: t(f"runs.overlay.axes.{name}"),
            required=True,
            key="runs_overlay_axis",
            help=t("runs.overlay.axis_help"),
        )
        st.segmented_control(
            t("runs.smoothing"),
            list(run_view.SMOOTHINGS),
            format_func=lambda name: t(f"runs.smoothings.{name}"),
            required=True,
            key="runs_overlay_smoothing",
            help=t("runs.smoothing_help"),
        )
        st.toggle(t("runs.overlay.log"), key="runs_overlay_log", help=t("runs.overlay.log_help"), wrap=True)
    default = names[0]
    view.write(
        "runs",
        [_axis(), _smoothing(), _log()],
        overlay=",".join(ids),
        metric=None if metric == default else metric,
    )
    axis = st.session_state["runs_overlay_axis"]
    curves = [_curve(job, texts[job.id], series[job.id], metric, axis, specs.get(job.id)) for job in runs]
    overlay_chart.show(
        [curve for curve in curves if curve is not None],
        axis=axis,
        title=_metric_text(metric, labels),
        smoothing=run_view.SMOOTHINGS[st.session_state["runs_overlay_smoothing"]],
        log=st.session_state["runs_overlay_log"],
    )
    missing = [texts[job.id] for job, curve in zip(runs, curves, strict=True) if curve is None]
    if missing:
        st.caption(t("runs.overlay.missing", names=", ".join(missing)))
    _differences(runs, texts, specs, series, metric, labels)


def _spec_of(job: Job) -> Spec | None:
    try:
        return job.folder.spec()
    except GenmodelsError:
        return None  # its own view shows the cause


def _metric_names(every: Any) -> list[str]:
    """The metrics that a run has logged: those of the most runs first, losses before others."""
    every = list(every)
    groups = [name for series in every for names in run_curves.groups_of(series).values() for name in names]
    order = list(dict.fromkeys(groups))
    counts = {name: sum(name in series for series in every) for name in order}
    return sorted(order, key=lambda name: (-counts[name], not name.startswith("loss/"), order.index(name)))


def _labels(specs: Any) -> dict[str, str]:
    """What the families call their metrics."""
    labels: dict[str, str] = {}
    for spec in specs:
        try:
            outline = estimate.outline(spec)
        except GenmodelsError:
            continue
        labels |= {name: curve.label for name, curve in outline.curves.items() if name not in labels}
    held_out = {f"validation/{name}": t("runs.held_out", label=label) for name, label in labels.items()}
    return {**labels, **held_out}


def _metric_text(name: str, labels: Mapping[str, str]) -> str:
    group = run_curves.title_of(name.removeprefix("validation/").split("/")[0])
    return f"{group}: {labels.get(name, name.split('/', 1)[-1])}"


def _curve(job: Job, name: str, series: Series, metric: str, axis: str, spec: Spec | None) -> Curve | None:
    """The points of a run; None if it has none on this axis."""
    line = series.get(metric)
    if line is None or (axis == "epoch" and spec is None):
        return None
    places = overlay_chart.places(
        line.steps,
        axis,
        per_epoch=1 if spec is None else trainable.steps_per_epoch(spec),
        clock=metrics_tail.clock_of(job.folder),
        resumed=[event.get("time", 0) for event in run_view.valid_events(job) if event.get("kind") == "resume"],
    )
    return Curve(name, places, line.values)


def _differences(
    runs: Sequence[Job],
    texts: Mapping[str, str],
    specs: Mapping[str, Spec],
    series: Mapping[str, Series],
    metric: str,
    labels: Mapping[str, str],
) -> None:
    """Show the newest value of each run, and the settings that are not equal in all of them."""
    rows = [
        {
            t("runs.overlay.setting"): t("runs.overlay.newest", metric=_metric_text(metric, labels)),
            **{texts[job.id]: _newest(series[job.id], metric) for job in runs},
        }
    ]
    flat = {job.id: _flat(specs[job.id]) for job in runs if job.id in specs}
    for path in dict.fromkeys(path for settings in flat.values() for path in settings):
        values = [flat.get(job.id, {}).get(path, "") for job in runs]
        if len(set(values)) > 1:
            row = {t("runs.overlay.setting"): path}
            rows.append(row | {texts[job.id]: value for job, value in zip(runs, values, strict=True)})
    if len(rows) == 1:
        st.caption(t("runs.overlay.same"))
    st.dataframe(
        rows,
        hide_index=True,
        key="runs_overlay_table",
        alt=t("runs.overlay.table_alt"),
        height=min(400, 38 + 35 * len(rows)),
    )


def _newest(series: Series, metric: str) -> str:
    return f"{series[metric].values[-1]:.6g}" if metric in series else ""


def _flat(spec: Spec) -> dict[str, str]:
    """Each setting as text, by its path on the command line; long lists are cut."""
    dump = spec.model_dump(mode="json")
    settings = {"recipe": spec.recipe or spec.family}
    for section in _SECTIONS:
        settings |= {f"{section}.{name}": value for name, value in dump[section].items()}
    return {path: _text(value) for path, value in settings.items()}


def _text(value: Any) -> str:
    text = t("train.empty") if value is None else str(value)
    return text if len(text) <= 80 else f"{text[:79]}…"
