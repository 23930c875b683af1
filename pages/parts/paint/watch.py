"""Sampling pixel by pixel: the images while they are sampled, buttons, files, and the chosen pixel's distribution."""

from __future__ import annotations

import math
import time
from collections.abc import Hashable

import streamlit as st

from genmodels.errors import GenmodelsError
from genmodels.runs.catalog import CheckpointInfo
from genmodels.service import paint
from genmodels.service.inference import sheet_png
from genmodels.service.paint import Facts, Painting, PaintRequest, files
from genmodels.service.paint.inputs import KnownImage
from pages.components import judge_note
from pages.components.file_buttons import gif_button, png_button
from pages.components.i18n import t
from pages.components.theme import error_box, friendly_errors
from pages.parts.paint import state
from pages.parts.paint.board import BoardTile, Spot, board, is_held, picked
from pages.parts.paint.caption import image_caption
from pages.parts.paint.pixel_chart import pixel_chart

_TICK, _MAX_MISSED = 0.15, 3  # seconds between two updates; the most that one update catches up with
_PACES = {"row": 1, "four": 4, "once": 1_000}


def show(
    info: CheckpointInfo,
    facts: Facts,
    request: PaintRequest,
    image: KnownImage | None = None,
    known_rows: int = 0,
    image_key: Hashable = "",
) -> None:
    """Show the images of `request`, and start to sample them if it has changed; `image_key` identifies `image`.

    The state of the sampling is in this session; a timer updates this part of the page until it is complete.
    """
    memory = st.session_state
    key = (request, known_rows, image_key, memory.get("paint_again", 0))
    if memory.get("paint_asked") != key:
        with friendly_errors():
            memory.paint_painting = paint.begin(request, image.pixels if image else None, known_rows)
            memory.paint_asked, memory.paint_held, memory.paint_predictions = key, False, None
            memory.pop("paint_looked", None)
            memory.pop("paint_problem", None)
            memory.paint_run = memory.get("paint_run", 0) + 1
        if memory.get("paint_asked") != key:
            return
    painting: Painting = memory.paint_painting
    active = not painting.done and not memory.paint_held
    st.fragment(_watch, run_every=_TICK if active else None)(info, facts)


def _watch(info: CheckpointInfo, facts: Facts) -> None:
    memory = st.session_state
    painting: Painting = memory.paint_painting
    was_active = not painting.done and not memory.paint_held
    if was_active:
        memory.paint_held = True  # if the next line fails, the timer must not try again
        try:
            paint.advance(painting, _PACES[memory.get("paint_pace", "row")] * _missed())
            memory.paint_held = False
        except GenmodelsError as error:
            memory.paint_problem = str(error)  # stored, because the page reruns below
    if memory.get("paint_problem"):
        error_box(memory.paint_problem, t("common.error.title"))
    left, right = st.columns([6, 4], gap="medium")
    with left, friendly_errors():
        _actions(painting)
        at = None if was_active and not painting.done else _spot(painting)
        if at is not None and not is_held("paint_board"):
            state.write_pixel(facts, at.row, at.column, at.image)
        _board(info, facts, painting, at)
        if at is not None and painting.rows > painting.known_rows:
            _files(info, painting)
    with right, friendly_errors():
        if at is None:
            done = painting.rows * facts.width
            st.progress(painting.rows / facts.height, t("paint.progress", done=f"{done:,}", all=f"{facts.pixels:,}"))
            st.markdown(t("paint.watch"))
        else:
            _pixel(facts, painting, at)
    if was_active and (painting.done or memory.paint_held):
        st.rerun()  # the caller of this part sets the timer


def _missed() -> int:
    """The number of updates due since the last one: on a slow machine or network, one update shows more rows."""
    memory, now = st.session_state, time.monotonic()
    due = (now - memory.get("paint_looked", -math.inf)) / _TICK
    memory.paint_looked = now
    return min(_MAX_MISSED, max(1, round(due))) if math.isfinite(due) else 1


def _actions(painting: Painting) -> None:
    memory = st.session_state
    memory.setdefault("paint_pace", "row")
    row = st.container(horizontal=True, vertical_alignment="bottom", key="paint_actions")
    # Two keys: if a timer's update overtakes a click, Streamlit may deliver the click twice, and a button whose action
    # changes in between would undo it.
    name, held = ("go_on", False) if memory.paint_held else ("stop", True)
    clicked = row.button(
        t(f"paint.{name}"),
        key=f"paint_{name}",
        icon=":material/pause:" if held else ":material/play_arrow:",
        disabled=painting.done,
        on_click=_hold,
        args=(painting, held),
        help=t(f"paint.{name}_help"),
    )
    again = row.button(
        t("paint.again"),
        key="paint_again_button",
        icon=":material/replay:",
        on_click=_again,
        help=t("paint.again_help"),
    )
    row.segmented_control(
        t("paint.pace"),
        list(_PACES),
        format_func=lambda name: t(f"paint.paces.{name}"),
        required=True,
        key="paint_pace",
        help=t("paint.pace_help"),
        persist_state="session",
    )
    if clicked or again:
        st.rerun()


def _hold(painting: Painting, held: bool) -> None:
    st.session_state.paint_held = held
    st.session_state.pop("paint_looked", None)
    st.session_state.pop("paint_problem", None)
    if held:
        paint.stop(painting)


def _again() -> None:
    st.session_state.paint_again = st.session_state.get("paint_again", 0) + 1


# ------------------------------------------------------------------------------ the images


def _board(info: CheckpointInfo, facts: Facts, painting: Painting, at: Spot | None) -> None:
    memory = st.session_state
    if painting.done and memory.paint_predictions is None:
        memory.paint_predictions = paint.predictions(painting)
    predictions = memory.paint_predictions if painting.done else [None] * len(painting.canvas)
    tiles = []
    for index, seed in enumerate(painting.seeds):
        label = None if painting.labels is None else painting.labels[index]
        below = image_caption(info, seed, label, predictions[index])
        kind = "completed" if painting.known_rows else "generated"
        alt = t(f"paint.{kind}_alt", seed=seed, done=painting.rows, all=facts.height, note=below)
        tiles.append(BoardTile(alt, "", below))
    step = painting.request.step
    judge_note.untrained(info.steps[-1] if step is None else step, predictions[0])
    shown = painting.rows * facts.width
    if at is not None and memory.get("paint_before"):
        shown = at.row * facts.width + at.column
    board(
        sheet_png(painting.canvas, len(painting.canvas)),
        (facts.width, facts.height),
        tiles,
        label=t("paint.board"),
        spoken=t("paint.pixel_name"),
        key="paint_board",
        columns=min(4, len(tiles)),
        tile=280 if len(tiles) == 1 else 112,
        painted=shown,
        start=painting.known_rows * facts.width,
        animate=not memory.get("paint_before"),
        run=str(memory.paint_run),
        at=at,
        moved=memory.get("paint_moved", 0),
        on_pick=_picked if at is not None else None,
    )


def _files(info: CheckpointInfo, painting: Painting) -> None:
    row = st.container(horizontal=True)
    png_button(
        "paint.png",
        lambda: files.grid_png(painting.canvas),
        f"{info.name}-seed-{painting.request.seed}.png",
        key="paint_png",
        place=row,
    )
    gif_button(
        "paint.gif",
        lambda: files.gif(painting),
        f"{info.name}-seed-{painting.request.seed}.gif",
        key="paint_gif",
        place=row,
    )


# ------------------------------------------------------------------------------ the chosen pixel


def _spot(painting: Painting) -> Spot | None:
    """The chosen pixel; one that is not sampled yet is replaced by the next one to be sampled."""
    memory = st.session_state
    width = int(painting.canvas.shape[3])
    last = min(painting.rows * width, painting.height * width - 1)
    memory.paint_image = min(memory.get("paint_image", 0), len(painting.canvas) - 1)
    if "paint_pixel" not in memory or memory.get("paint_pixel_run") != memory.paint_run:
        memory.setdefault("paint_pixel", painting.height // 2 * width + width // 2 + 1)
        memory.paint_pixel_run = memory.paint_run
        memory.paint_moved = memory.get("paint_moved", 0) + 1
    memory.paint_pixel = min(max(1, memory.paint_pixel), last + 1)
    return Spot(memory.paint_image, *divmod(memory.paint_pixel - 1, width))


def _picked() -> None:
    memory = st.session_state
    spot, painting = picked("paint_board"), memory.paint_painting
    if spot is not None:
        memory.paint_image = spot.image
        memory.paint_pixel = spot.row * int(painting.canvas.shape[3]) + spot.column + 1


def _moved() -> None:
    st.session_state.paint_moved = st.session_state.get("paint_moved", 0) + 1


def _pixel(facts: Facts, painting: Painting, at: Spot) -> None:
    st.header(t("paint.pixel.title"), anchor=False)
    last = min(painting.rows * facts.width, facts.pixels - 1) + 1
    if last > 1:
        st.slider(
            t("paint.pixel.slider", all=f"{facts.pixels:,}"),
            1,
            last,
            key="paint_pixel",
            on_change=_moved,
            help=t("paint.pixel.slider_help"),
        )
    st.toggle(t("paint.pixel.before"), key="paint_before", help=t("paint.pixel.before_help"), persist_state="session")
    pixel_chart(facts, painting, at, key="paint_levels")
