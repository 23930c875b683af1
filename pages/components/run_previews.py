"""What a run drew while it learned: the same seeds at every step, and how varied the pictures were."""

from __future__ import annotations

import streamlit as st

from genmodels import registry
from genmodels.errors import CheckpointError, UnknownNameError
from genmodels.model import Curve
from genmodels.training.estimate import Outline
from pages.components import run_curves
from pages.components.i18n import t
from pages.components.numbers import percent
from pages.components.run_curves import Series
from pages.components.theme import message
from pages.components.tiles import data_url
from train_jobs import Job

DIVERSITY, OF_DATA = "preview/diversity", "preview/diversity_data"
COLLAPSE = 0.4
"""Below this share of the data's diversity the page speaks of mode collapse."""
_TOO_EARLY = 0.1
"""Share of the run before which nothing is said: an untrained network's pictures are all alike, too."""


def newest(job: Job) -> None:
    """The newest picture alone, for the compact panel."""
    previews = job.folder.previews()
    if previews:
        _show(job, previews[-1][0])


def film(job: Job) -> None:
    """A slider over the saved pictures; it follows the newest until it is moved."""
    st.subheader(t("runs.previews"), anchor=False)
    step = scrubbed(job, "runs_preview", t("runs.preview_step"), t("runs.preview_step_help"))
    if step is None:
        st.caption(t("runs.no_previews"))
        return
    _show(job, step)
    st.caption(t("runs.canvas_note" if _one_canvas(job) else "runs.previews_note"))


def _one_canvas(job: Job) -> bool:
    """Whether the run changes one image (style transfer) instead of learning to make many."""
    try:
        return "start" in vars(registry.get(job.model))
    except UnknownNameError:  # a damaged run, or of another version
        return False


def scrubbed(job: Job, name: str, label: str, help: str) -> int | None:
    """A slider, keyed `<name>_step`, over the steps of the saved pictures; it follows the newest until it is moved.

    None while there is no picture.
    """
    steps = [step for step, _ in job.folder.previews()]
    if not steps:
        return None
    key, kept, seen = f"{name}_step", f"{name}_seen", (job.id, steps[-1])
    before = st.session_state.get(kept)
    # Moved only by the visitor: a new picture takes along a slider that stood at the end, and no other.
    follows = before is None or before[0] != job.id or st.session_state.get(key) == before[1]
    if follows or st.session_state.get(key) not in steps:
        st.session_state[key] = steps[-1]
    st.session_state[kept] = seen
    if len(steps) == 1:
        return steps[0]
    return int(st.select_slider(label, steps, format_func=lambda value: f"{value:,}", key=key, help=help))


def _show(job: Job, step: int) -> None:
    try:
        picture = job.folder.preview(step)
    except FileNotFoundError:  # a resume has just cut it away; the next tick knows
        st.caption(t("runs.no_previews"))
        return
    except CheckpointError as error:
        st.warning(message(str(error)), icon=":material/broken_image:")
        return
    # Inside the message: by an address the browser may ask for it when the next tick has put a newer one in its place.
    st.image(data_url(picture), alt=t("runs.preview_alt", name=job.name, step=step), width="stretch")


def diversity(job: Job, series: Series, outline: Outline | None) -> None:
    """The curve, the data's own value beside it, and a hint where the pictures have become alike."""
    if outline is not None and outline.latent_dim == 0:
        st.caption(t("runs.constant"))
        return
    if DIVERSITY not in series or OF_DATA not in series:
        return
    steps, values = series[DIVERSITY]
    of_data = series[OF_DATA][1][-1]
    share = values[-1] / of_data if of_data else 1.0
    if share < COLLAPSE and steps[-1] >= _TOO_EARLY * job.max_steps:
        st.warning(t("runs.collapse", percent=percent(share, 0)), icon=":material/content_copy:")
    st.markdown(f"**{t('runs.diversity')}**")
    labels = {
        DIVERSITY: Curve(t("runs.diversity_label"), t("runs.diversity_note")),
        OF_DATA: Curve(t("runs.diversity_data"), ""),
    }
    run_curves.chart(
        series, (DIVERSITY, OF_DATA), labels, height=240, alt=t("runs.diversity_alt"), axis=t("runs.diversity_axis")
    )
    st.caption(t("runs.diversity_note"))
