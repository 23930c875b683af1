"""What the page of runs shows when there are none: a published training, its curves and samples at its saved steps."""

from __future__ import annotations

from array import array

import streamlit as st

import train_jobs
from genmodels.errors import GenmodelsError
from genmodels.runs import catalog
from genmodels.runs.catalog import CheckpointInfo
from genmodels.runs.folder import RunFolder
from genmodels.service import compare, evaluate
from genmodels.service.compare import ColumnRequest
from genmodels.text import duration
from genmodels.training import estimate
from pages.components import choice, run_curves
from pages.components.i18n import t
from pages.components.metrics_tail import Line
from pages.components.theme import error_box, plain
from pages.components.tiles import Tile, row

_FIRST = "mnist_vae_20"
_FEWEST_STEPS = 3
_RECIPE, _PRESET, _DATA = "mnist_vae_20", "quick", "digits"
_WIDTH = 560


def show() -> None:
    """Show a published training; nothing if none is published."""
    infos = {info.name: info for info in catalog.list_checkpoints() if _can_be_shown(info)}
    if infos:
        st.fragment(_training)(infos)


def _can_be_shown(info: CheckpointInfo) -> bool:
    """Whether the checkpoint has curves, images, and enough saved steps to see them improve."""
    images = info.modality == "image" and "sampling" in info.capabilities
    return info.published and images and len(info.steps) >= _FEWEST_STEPS and bool(evaluate.stored_curves(info))


def start() -> None:
    """Show a button that starts a short training and opens its run."""
    clicked = st.button(
        t("runs.first.start"),
        key="runs_first_start",
        type="primary",
        icon=":material/play_arrow:",
        help=t("runs.first.start_help"),
    )
    if clicked:
        try:
            job = train_jobs.submit(train_jobs.make_spec(_RECIPE, _PRESET, [], _DATA))
        except GenmodelsError as error:
            error_box(str(error))
            return
        st.session_state["runs_opened"] = job.id
        st.rerun()


def _training(infos: dict[str, CheckpointInfo]) -> None:
    st.header(t("runs.first.title"), anchor=False)
    name = choice.choose(
        t("runs.first.model"),
        list(infos),
        lambda name: infos[name].title,
        key="runs_first_model",
        fallback=_FIRST,
        help=t("runs.first.model_help"),
    )
    info = infos[name]
    left, right = st.columns([3, 2], gap="large")
    with left:
        _curves(info)
    with right:
        _samples(info)


def _curves(info: CheckpointInfo) -> None:
    series = {
        name: Line(array("q", [step for step, _ in points]), array("d", [value for _, value in points]))
        for name, points in evaluate.stored_curves(info).items()
    }
    meanings = estimate.outline(RunFolder(info.path).spec()).curves
    group, names = next(iter(run_curves.groups_of(series).items()))
    st.markdown(f"**{run_curves.title_of(group)}**")
    run_curves.chart(series, names, meanings, axis=run_curves.title_of(group))
    st.caption(
        "  \n".join(f"**{meanings[name].label}**: {meanings[name].meaning}" for name in names if name in meanings)
    )
    if info.train_seconds is not None:
        st.caption(t("runs.first.took", name=plain(info.name), time=duration(info.train_seconds)))


def _samples(info: CheckpointInfo) -> None:
    key = f"runs_first_step_{info.name}"
    st.session_state.setdefault(key, info.steps[-1])
    step = int(
        st.select_slider(
            t("runs.preview_step"),
            info.steps,
            format_func=lambda step: f"{step:,}",
            key=key,
            help=t("runs.first.step_help"),
        )
    )
    samples = compare.column(ColumnRequest(model=info.name, step=step, seed=0))
    alt = t("runs.preview_alt", name=info.title, step=step)
    row([Tile(samples.png, t("runs.first.samples", step=f"{step:,}"), alt)], width=_WIDTH, key="runs_first_samples")
