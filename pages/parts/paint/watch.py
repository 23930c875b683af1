"""A painting as it grows, buttons that hold it, its files, and what a chosen pixel was drawn from."""

from __future__ import annotations

import math
import time
from collections.abc import Hashable

import streamlit as st

from genmodels.catalog import CheckpointInfo
from genmodels.errors import GenmodelsError
from genmodels.service import paint
from genmodels.service.paint import Asking, Facts, Painting, files, pixel
from genmodels.service.paint.given import Given
from pages.components import judge_note
from pages.components.i18n import t
from pages.components.numbers import percent, unbroken
from pages.components.theme import error_box, friendly_errors
from pages.components.waiting import download
from pages.parts.paint.board import BoardTile, Spot, board, picked
from pages.parts.paint.levels import levels_chart

_TICK, _MOST_MISSED = 0.15, 3  # seconds between two looks; what one look catches up with at most
_PACES = {"row": 1, "four": 4, "once": 1_000}


def show(
    info: CheckpointInfo,
    known: Facts,
    asking: Asking,
    picture: Given | None = None,
    given: int = 0,
    what: Hashable = "",
) -> None:
    """The painting that is asked for, begun where it is another than before; `what` tells one `picture` from another.

    The painting lives in this session; while it grows, a timer draws this part of the page again.
    """
    memory = st.session_state
    asked = (asking, given, what, memory.get("paint_again", 0))
    if memory.get("paint_asked") != asked:
        with friendly_errors():
            memory.paint_painting = paint.begin(asking, picture.pixels if picture else None, given)
            memory.paint_asked, memory.paint_held, memory.paint_readings = asked, False, None
            memory.pop("paint_looked", None)
            memory.pop("paint_problem", None)
            memory.paint_run = memory.get("paint_run", 0) + 1
        if memory.get("paint_asked") != asked:
            return
    painting: Painting = memory.paint_painting
    going = not painting.done and not memory.paint_held
    st.fragment(_watch, run_every=_TICK if going else None)(info, known)


def _watch(info: CheckpointInfo, known: Facts) -> None:
    memory = st.session_state
    painting: Painting = memory.paint_painting
    was_going = not painting.done and not memory.paint_held
    if was_going:
        memory.paint_held = True  # where the next line fails, no timer shall try again and again
        try:
            paint.advance(painting, _PACES[memory.get("paint_pace", "row")] * _missed())
            memory.paint_held = False
        except GenmodelsError as error:
            memory.paint_problem = str(error)  # kept: the page is drawn anew below
    if memory.get("paint_problem"):
        error_box(memory.paint_problem, t("common.error.title"))
    left, right = st.columns([6, 4], gap="medium")
    with left, friendly_errors():
        _actions(painting)
        at = None if was_going and not painting.done else _spot(painting)
        _board(info, known, painting, at)
        if at is not None and painting.rows > painting.given:
            _files(info, painting)
    with right, friendly_errors():
        if at is None:
            done = painting.rows * known.width
            st.progress(painting.rows / known.height, t("paint.progress", done=f"{done:,}", all=f"{known.pixels:,}"))
            st.markdown(t("paint.watch"))
        else:
            _pixel(known, painting, at)
    if was_going and (painting.done or memory.paint_held):
        st.rerun()  # the timer is set where this part is called


def _missed() -> int:
    """Looks that have been due since the last one: where machine or network is slow, a look shows more rows."""
    memory, now = st.session_state, time.monotonic()
    due = (now - memory.get("paint_looked", -math.inf)) / _TICK
    memory.paint_looked = now
    return min(_MOST_MISSED, max(1, round(due))) if math.isfinite(due) else 1


def _actions(painting: Painting) -> None:
    memory = st.session_state
    memory.setdefault("paint_pace", "row")
    row = st.container(horizontal=True, vertical_alignment="bottom", key="paint_actions")
    # A key each: where a timer's tick overtakes a click, Streamlit may deliver the click twice, and a button that
    # changes its meaning in between would undo it.
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


# ------------------------------------------------------------------------------ the pictures


def _board(info: CheckpointInfo, known: Facts, painting: Painting, at: Spot | None) -> None:
    memory = st.session_state
    if painting.done and memory.paint_readings is None:
        memory.paint_readings = paint.readings(painting)
    found = memory.paint_readings if painting.done else [None] * len(painting.canvas)
    tiles = []
    for index, seed in enumerate(painting.seeds):
        below = t("paint.seed_of", seed=seed)
        if painting.labels is not None:
            below += " · " + t("paint.asked_for", label=info.askable[painting.labels[index]])
        if reading := found[index]:
            below += " · " + t("paint.reads", label=reading.label, percent=unbroken(percent(reading.probability)))
        kind = "completed" if painting.given else "painted"
        alt = t(f"paint.{kind}_alt", seed=seed, done=painting.rows, all=known.height, note=below)
        tiles.append(BoardTile(alt, "", below))
    step = painting.asking.step
    judge_note.untrained(info.steps[-1] if step is None else step, found[0])
    shown = painting.rows * known.width
    if at is not None and memory.get("paint_before"):
        shown = at.row * known.width + at.column
    board(
        files.sheet_png(painting),
        (known.width, known.height),
        tiles,
        label=t("paint.board"),
        spoken=t("paint.spoken"),
        key="paint_board",
        columns=min(4, len(tiles)),
        tile=280 if len(tiles) == 1 else 112,
        painted=shown,
        start=painting.given * known.width,
        animate=not memory.get("paint_before"),
        run=str(memory.paint_run),
        at=at,
        moved=memory.get("paint_moved", 0),
        on_pick=_picked if at is not None else None,
    )


def _files(info: CheckpointInfo, painting: Painting) -> None:
    row = st.container(horizontal=True)

    row.download_button(
        t("paint.png"),
        lambda: files.kept_png(painting),
        f"{info.name}-seed-{painting.asking.seed}.png",
        "image/png",
        key="paint_png",
        icon=":material/download:",
        on_click="ignore",
        help=t("paint.png_help"),
    )
    download(
        row,
        t("paint.gif"),
        lambda: files.gif(painting),
        f"{info.name}-seed-{painting.asking.seed}.gif",
        "image/gif",
        key="paint_gif",
        icon=":material/animation:",
        help_text=t("paint.gif_help"),
    )


# ------------------------------------------------------------------------------ the chosen pixel


def _spot(painting: Painting) -> Spot | None:
    """The chosen pixel; one that is not painted yet becomes the next one to be painted."""
    memory = st.session_state
    width = int(painting.canvas.shape[3])
    last = min(painting.rows * width, painting.height * width - 1)
    memory.paint_picture = min(memory.get("paint_picture", 0), len(painting.canvas) - 1)
    if "paint_pixel" not in memory or memory.get("paint_pixel_run") != memory.paint_run:
        memory.setdefault("paint_pixel", (painting.height * width + width) // 2 + 1)
        memory.paint_pixel_run = memory.paint_run
        memory.paint_moved = memory.get("paint_moved", 0) + 1
    memory.paint_pixel = min(max(1, memory.paint_pixel), last + 1)
    return Spot(memory.paint_picture, *divmod(memory.paint_pixel - 1, width))


def _picked() -> None:
    memory = st.session_state
    spot, painting = picked("paint_board"), memory.paint_painting
    if spot is not None:
        memory.paint_picture = spot.picture
        memory.paint_pixel = spot.row * int(painting.canvas.shape[3]) + spot.column + 1


def _slid() -> None:
    st.session_state.paint_moved = st.session_state.get("paint_moved", 0) + 1


def _pixel(known: Facts, painting: Painting, at: Spot) -> None:
    st.subheader(t("paint.pixel.title"), anchor=False)
    last = min(painting.rows * known.width, known.pixels - 1) + 1
    if last > 1:
        st.slider(
            t("paint.pixel.slider", all=f"{known.pixels:,}"),
            1,
            last,
            key="paint_pixel",
            on_change=_slid,
            help=t("paint.pixel.slider_help"),
        )
    st.toggle(t("paint.pixel.before"), key="paint_before", help=t("paint.pixel.before_help"), persist_state="session")
    pixel_chart(known, painting, at, key="paint_levels")


def pixel_chart(known: Facts, painting: Painting, at: Spot, *, key: str) -> None:
    """The distribution that a pixel was drawn from, in a chart and in words."""
    following = at.row == painting.rows
    colour = _colour(known, following)
    drawn = pixel.drawn_from(painting, at.picture, at.row, at.column, colour or 0)
    best = max(range(known.levels), key=drawn.own.__getitem__)
    facts = {
        "row": at.row + 1,
        "column": at.column + 1,
        "best": best,
        "percent": percent(drawn.own[best]),
        "entropy": f"{drawn.entropy:.2f}",
    }
    if drawn.level is None:
        text = t("paint.pixel.next", **facts)
    else:
        kind = "given" if at.row < painting.given else "drawn"
        chance = percent(drawn.probabilities[drawn.level])
        text = t(f"paint.pixel.{kind}", **facts, level=drawn.level, chance=chance, bits=f"{drawn.bits:.2f}")
    levels_chart(
        drawn.probabilities,
        drawn.own,
        drawn.level,
        axis=t("paint.pixel.axis"),
        caption=text,
        alt=text,
        key=key,
        colour=colour,
    )
    changed = painting.asking.temperature != 1 or painting.asking.top_k is not None
    st.caption(t("paint.pixel.how_changed" if changed else "paint.pixel.how"))


def _colour(known: Facts, following: bool) -> int | None:
    """Which colour's distribution is shown; None for grey pictures. Of the pixel that follows, red alone has one."""
    if known.channels != 3:
        return None
    if following:
        st.caption(t("paint.pixel.red_first"))
        return 0
    return int(
        st.segmented_control(
            t("paint.pixel.colour"),
            (0, 1, 2),
            default=0,
            format_func=lambda number: t(f"paint.pixel.colours.{('red', 'green', 'blue')[number]}"),
            required=True,
            key="paint_colour",
            help=t("paint.pixel.colour_help"),
            persist_state="session",
        )
        or 0
    )
