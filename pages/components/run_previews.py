"""Previews of a run: samples of the same seeds at each saved step, and their diversity."""

from __future__ import annotations

import streamlit as st

from genmodels import registry
from genmodels.errors import CheckpointError, UnknownNameError
from genmodels.model import Curve
from genmodels.training.estimate import Outline
from pages.components import run_curves
from pages.components.i18n import t
from pages.components.metrics_tail import Series
from pages.components.numbers import percent
from pages.components.theme import message
from pages.components.tiles import data_url
from train_jobs import Job

DIVERSITY, OF_DATA = "preview/diversity", "preview/diversity_data"
COLLAPSE = 0.4
"""Below this fraction of the data's diversity the page warns of mode collapse."""
_TOO_EARLY = 0.1
"""Fraction of the run before which there is no warning: the samples of an untrained network are all alike, too."""


def newest(job: Job) -> None:
    """Show the newest preview, for the compact panel."""
    previews = job.folder.previews()
    if previews:
        _show(job, previews[-1][0])


def slideshow(job: Job) -> None:
    """Show a slider over the saved previews, which follows the newest one until it is moved, and the chosen one."""
    st.subheader(t("runs.previews"), anchor=False)
    step = pick_preview(job, "runs_preview", t("runs.preview_step"), t("runs.preview_step_help"))
    if step is None:
        st.caption(t("runs.no_previews"))
        return
    _show(job, step)
    st.caption(t("runs.canvas_note" if _one_canvas(job) else "runs.previews_note"))


def _one_canvas(job: Job) -> bool:
    """Whether the run optimises one image (style transfer) instead of training a generator."""
    try:
        return "start" in vars(registry.get(job.model))
    except UnknownNameError:  # a damaged run, or one of another version
        return False


def pick_preview(job: Job, name: str, label: str, help: str) -> int | None:
    """Show the slider `<name>_step` over the steps with previews and return the chosen one; None without previews.

    The slider follows the newest preview until it is moved.
    """
    steps = [step for step, _ in job.folder.previews()]
    if not steps:
        return None
    key, last_key = f"{name}_step", f"{name}_seen"
    last = st.session_state.get(last_key)
    # A new preview moves the slider only if it was at the end.
    follows = last is None or last[0] != job.id or st.session_state.get(key) == last[1]
    if follows or st.session_state.get(key) not in steps:
        st.session_state[key] = steps[-1]
    st.session_state[last_key] = (job.id, steps[-1])
    if len(steps) == 1:
        return steps[0]
    return int(st.select_slider(label, steps, format_func=lambda value: f"{value:,}", key=key, help=help))


def _show(job: Job, step: int) -> None:
    try:
        preview = job.folder.preview(step)
    except FileNotFoundError:  # removed by a resume; the next update shows the rest
        st.caption(t("runs.no_previews"))
        return
    except CheckpointError as error:
        st.warning(message(str(error)), icon=":material/broken_image:")
        return
    # As a data URL: an address might be requested only after the next update has replaced its image.
    st.image(data_url(preview), alt=t("runs.preview_alt", name=job.name, step=step), width="stretch")


def diversity(job: Job, series: Series, outline: Outline | None) -> None:
    """Show the diversity of the samples next to that of the data, and a warning if it has collapsed."""
    if outline is not None and outline.latent_dim == 0:
        st.caption(t("runs.constant"))
        return
    if DIVERSITY not in series or OF_DATA not in series:
        return
    steps, values = series[DIVERSITY]
    of_data = series[OF_DATA][1][-1]
    fraction = values[-1] / of_data if of_data else 1.0
    if fraction < COLLAPSE and steps[-1] >= _TOO_EARLY * job.max_steps:
        st.warning(t("runs.collapse", percent=percent(fraction, 0)), icon=":material/content_copy:")
    st.markdown(f"**{t('runs.diversity')}**")
    labels = {
        DIVERSITY: Curve(t("runs.diversity_label"), t("runs.diversity_note")),
        OF_DATA: Curve(t("runs.diversity_data"), ""),
    }
    run_curves.chart(
        series, (DIVERSITY, OF_DATA), labels, height=240, alt=t("runs.diversity_alt"), axis=t("runs.diversity_axis")
    )
    st.caption(t("runs.diversity_note"))
