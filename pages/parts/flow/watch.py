"""Watch noise become images: a film of several seeds, and the first seed as a film strip."""

from __future__ import annotations

import streamlit as st

from genmodels.capabilities import FlowConfig
from genmodels.runs.catalog import CheckpointInfo
from genmodels.service import flow
from genmodels.service.flow import Film, FlowRequest
from pages.components import judge_note, share
from pages.components.file_buttons import gif_button, png_button
from pages.components.i18n import t
from pages.components.image_table import ImageText, image_table
from pages.components.layout import wide_workspace
from pages.components.theme import explain, friendly_errors
from pages.parts.flow import settings
from pages.parts.flow.player import FilmTile, player

_STRIP = 11  # columns of the film strip


def show(info: CheckpointInfo, step: int, config: FlowConfig) -> None:
    """Show the settings on the left, the film on the right, and the film strip below."""
    parts = wide_workspace("flow")
    with parts.controls:
        seed, label = settings.seed(), settings.class_or_any(info)
    with parts.more:
        request = FlowRequest.parse(
            {
                "model": info.name,
                "step": step,
                "seed": seed,
                "label": label,
                "guidance": settings.guidance(config),
                "steps": settings.steps(config),
                "solver": settings.solver(config),
                "count": settings.count(config),
            }
        )
    settings.write_address(info, config)
    share.offer_code(flow.film_png, request, file=f"{info.name}-flow-{request.seed}.png")
    with parts.result, friendly_errors():
        with st.spinner(t("flow.busy")):
            film = flow.film(request)
        judge_note.untrained(step, film.predictions)
        judge_note.outside(film.predictions or ())
        player(
            film.png,
            (film.width, film.height),
            [_tile(info, film, request, index) for index in range(request.count)],
            film.times,
            texts={
                "play": t("flow.watch.play"),
                "pause": t("flow.watch.pause"),
                "label": t("flow.watch.time_label"),
                "group": t("flow.watch.group"),
                "time": t("flow.watch.time"),
            },
            key="flow_film",
        )
        st.markdown(t("flow.watch.text_average" if request.solver == "average" else "flow.watch.text"))
        number = flow.evaluations(request.solver, request.steps)
        st.caption(t("flow.watch.caption", evaluations=number, steps=request.steps))
        _files(info, request)
        _strip(film, request)


def _tile(info: CheckpointInfo, film: Film, request: FlowRequest, index: int) -> FilmTile:
    caption = t("flow.seed_of", seed=request.seed + index)
    if film.labels is not None:
        caption += " · " + t("flow.of_class", name=info.condition_names[film.labels[index]])
    if film.predictions is not None:
        read = film.predictions[index]
        caption += " · " + judge_note.reading("flow.reads", read, narrow=True)
    return FilmTile(t("flow.watch.alt", note=caption), t("flow.watch.end_alt", note=caption), caption)


def _files(info: CheckpointInfo, request: FlowRequest) -> None:
    row, name = st.container(horizontal=True), f"{info.name}-flow-{request.seed}"
    png_button("flow.watch.png", lambda: flow.film_png(request), f"{name}.png", key="flow_png", place=row)
    gif_button("flow.watch.gif", lambda: flow.film_gif(request), f"{name}.gif", key="flow_gif", place=row)


def _strip(film: Film, request: FlowRequest) -> None:
    st.header(t("flow.watch.strip_title", seed=request.seed), anchor=False)
    explain(t("flow.watch.strip_text"))
    png, times = flow.strip_png(request, _STRIP)
    heads = [f"{time:.3g}" for time in times]
    texts = [
        ImageText(t(f"flow.watch.strip_alt_{kind}", seed=request.seed, time=time))
        for kind in ("image", "end")
        for time in heads
    ]
    image_table(
        png,
        (film.width, film.height),
        texts,
        heads=heads,
        rows=[t("flow.watch.row_image"), t("flow.watch.row_end")],
        corner=t("flow.watch.corner"),
        label=t("flow.watch.strip_label", seed=request.seed),
        key="flow_strip",
    )
    st.caption(t("flow.watch.strip_caption"))
