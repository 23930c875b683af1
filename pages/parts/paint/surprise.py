"""A real picture beside the surprise of each of its pixels, and the distribution that a chosen pixel met."""

from __future__ import annotations

import streamlit as st

from genmodels.catalog import CheckpointInfo
from genmodels.service import paint
from genmodels.service.paint import Asking, Facts
from genmodels.service.paint.surprise import Surprise, surprise
from pages.components.i18n import t
from pages.components.theme import friendly_errors, plain
from pages.parts.paint import source, state
from pages.parts.paint.board import BoardTile, Spot, board, picked
from pages.parts.paint.watch import pixel_chart

_SHOWN = 3


@st.fragment
def show(info: CheckpointInfo, step: int) -> None:
    """The picture is chosen at the left; map, figures and a pixel's distribution at the right."""
    known, memory = paint.facts(info.name), st.session_state
    left, right = st.columns([3, 7], gap="large")
    chosen, label, waits = None, state.ANY, False
    with left, friendly_errors():
        chosen = source.choose(info)
        label = state.told_likeliest(info, chosen is not None and chosen.given.label is not None)
        waits = chosen is None and source.draws(info)
    with right, friendly_errors():
        if waits:
            st.info(t("paint.surprise.empty"), icon=":material/draw:")
        if chosen is None:
            return  # why is said at the left
        if label == state.OWN:
            label = chosen.given.label if chosen.given.label is not None else state.ANY
        asking = Asking.parse({"model": info.name, "step": step, "count": 1, "label": label if label >= 0 else None})
        found = surprise(asking, chosen.given)
        memory.paint_width = known.width
        memory.paint_where = min(memory.get("paint_where", (known.pixels + known.width) // 2), known.pixels - 1)
        at = Spot(0, *divmod(memory.paint_where, known.width))
        maps, text = st.columns([5, 4], gap="medium")
        with maps:
            _maps(known, found, at)
        with text:
            st.markdown(_figures(info, found))
            pixel_chart(known, found.painting, at, key="paint_surprise_levels")


def _maps(known: Facts, found: Surprise, at: Spot) -> None:
    most = f"{found.most:.1f}"
    tiles = [
        BoardTile(t("paint.surprise.picture_alt"), t("paint.surprise.picture")),
        BoardTile(
            t("paint.surprise.map_alt", most=most), t("paint.surprise.map"), t("paint.surprise.scale", most=most)
        ),
    ]
    board(
        found.png,
        (known.width, known.height),
        tiles,
        label=t("paint.surprise.label"),
        spoken=t("paint.spoken"),
        key="paint_surprise",
        columns=2,
        tile=220,
        at=at,
        every=True,
        on_pick=_picked,
    )
    st.caption(t("paint.surprise.look"))


def _picked() -> None:
    spot = picked("paint_surprise")
    if spot is not None:
        width = st.session_state.paint_width
        st.session_state.paint_where = spot.row * width + spot.column


def _figures(info: CheckpointInfo, found: Surprise) -> str:
    parts = [
        t(
            "paint.surprise.total",
            nats=f"{found.nats:,.1f}",
            bits=f"{found.bits:.3f}",
            guessing=f"{found.guessing:,.0f}",
            levels=f"{found.painting.canvas[0].numel():,}",
        )
    ]
    likeliest = found.likeliest
    if likeliest is not None and found.told is not None:
        order = sorted(range(len(found.by_class)), key=found.by_class.__getitem__)[:_SHOWN]
        listed = ", ".join(f"{plain(info.askable[label])}: {found.by_class[label]:,.1f}" for label in order)
        parts.append(t("paint.surprise.classes", told=plain(info.askable[found.told]), listed=listed))
        if found.label is not None and found.label < len(info.askable):
            kind = "right" if likeliest == found.label else "wrong"
            parts.append(t(f"paint.surprise.{kind}", label=plain(info.askable[found.label])))
    return "\n\n".join(parts)
