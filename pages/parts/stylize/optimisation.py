"""Style transfer by optimisation: the canvas and the losses of the job, and the saved iterations."""

from __future__ import annotations

import streamlit as st

import train_jobs
from genmodels.service.large_images import ImageFile
from genmodels.training import estimate
from pages.components import address, assets, metrics_tail, run_actions, run_curves, run_previews, run_view
from pages.components.file_buttons import png_button
from pages.components.i18n import t
from pages.components.theme import explain, friendly_errors, plain
from pages.components.tiles import Tile, row
from pages.parts.stylize import settings, source
from train_jobs import Job

_WIDTH = 560
_EXAMPLE = "pagoda_as_painting.jpg"


def show(content: ImageFile | None) -> None:
    """Show the style image, the settings and the start button, and the run started last or named by the address.

    Without a run there is a stored example; a public server starts no jobs and shows only that.
    """
    st.header(t("stylize.slow.title"), anchor=False)
    explain(t("stylize.slow.intro"))
    left, right = st.columns([4, 6], gap="large")
    if train_jobs.public_mode():
        with left:
            st.info(t("stylize.public"), icon=":material/lock:")
        with right:
            _example()
        return
    job = _job()
    with left:
        style = source.style()
        address.write("stylize", "style", source.address_input("painting").text())
        with friendly_errors():
            settings.show(content, style, job if job is not None and job.active else None)
    with right, friendly_errors():
        if job is None:
            _example()
            st.info(t("stylize.slow.empty"), icon=":material/brush:")
        else:
            _run(job)


def _example() -> None:
    stored = assets.asset(_EXAMPLE)
    row(
        [Tile(stored.read(), "", t("stylize.slow.example_alt"), kind="jpeg")],
        width=_WIDTH,
        key="stylize_example",
        smooth=True,
    )
    st.caption(t("stylize.slow.example", credit=stored.credit()))


def _run(job: Job) -> None:
    st.markdown(f"**{plain(job.name)}**")
    run_view.live(job, _draw)
    run_actions.main(job)
    st.page_link(
        "runs.py",
        label=t("stylize.slow.run"),
        icon=":material/monitoring:",
        help=t("stylize.slow.run_help"),
        query_params={"run": job.id},
    )


def _job() -> Job | None:
    """The run to show, bound to `?run=`; a run just started takes precedence over the address."""
    memory = st.session_state
    ids = {job.id for job in train_jobs.jobs()}
    requested = address.requested(
        "stylize", "run", address.member(ids), lambda name: t("stylize.slow.unknown", id=name), recheck=True
    )
    if requested is not None:
        memory.setdefault("stylize_run", requested)
    if memory.get("stylize_run") not in ids:
        memory.pop("stylize_run", None)
        return None
    address.write("stylize", "run", memory["stylize_run"])
    return train_jobs.job(memory["stylize_run"])


def _draw(job: Job) -> None:
    run_view.progress(job)
    canvas = st.container()
    if job.active:
        # A slider that grows with each update would report its old position as if it had been moved.
        step = max((step for step, _ in job.folder.previews()), default=None)
    else:
        step = run_previews.pick_preview(job, "stylize_canvas", t("stylize.slow.step"), t("stylize.slow.step_help"))
    raw = _preview(job, step)
    with canvas:
        _canvas(job, step, raw)
    if raw is not None:
        png_button(
            "stylize.png", raw, f"{job.id}-{step:06d}.png", key="stylize_canvas_png", help_text="stylize.slow.png_help"
        )
    series = metrics_tail.series_of(job.folder)
    names = run_curves.groups_of(series).get("loss")
    if names:
        run_curves.chart(series, names, estimate.outline(job.folder.spec()).curves, height=200)
        st.caption(t("stylize.slow.losses"))


def _preview(job: Job, step: int | None) -> bytes | None:
    if step is None:
        return None
    try:
        return job.folder.preview(step)
    except FileNotFoundError:  # removed by a resume; the next update shows the rest
        return None


def _canvas(job: Job, step: int | None, raw: bytes | None) -> None:
    if raw is None:
        st.caption(t("stylize.slow.waiting" if job.active else "stylize.slow.nothing"))
        return
    alt = t("stylize.slow.alt", name=job.name, step=f"{step:,}")
    row([Tile(raw, t("stylize.slow.caption", step=f"{step:,}"), alt)], width=_WIDTH, key="stylize_canvas", smooth=True)
