"""The surprise (negative log-likelihood) of each pixel of a real image, and the distribution of a chosen pixel."""

from __future__ import annotations

import streamlit as st

from genmodels.runs.catalog import CheckpointInfo
from genmodels.service import paint
from genmodels.service.paint import Facts, PaintRequest, inputs
from genmodels.service.paint.surprise import Surprise, surprise
from pages.components import share, source_picker
from pages.components.i18n import t
from pages.components.theme import friendly_errors, plain
from pages.parts.paint import source, state
from pages.parts.paint.board import BoardTile, Spot, board, is_held, picked
from pages.parts.paint.pixel_chart import pixel_chart

_SHOWN_CLASSES = 3


@st.fragment
def show(info: CheckpointInfo, step: int) -> None:
    """Show the picker on the left; map, likelihood and the distribution of a pixel on the right."""
    facts, memory = paint.facts(info.name), st.session_state
    left, right = st.columns([3, 7], gap="large")
    chosen, label, is_waiting = None, state.ANY, False
    with left, friendly_errors():
        chosen = source.choose(info)
        label = state.condition_or_likeliest(info, chosen is not None and chosen.image.label is not None)
        is_waiting = chosen is None and source.is_canvas(info)
    with right, friendly_errors():
        if is_waiting:
            st.info(t("paint.surprise.empty"), icon=":material/draw:")
        if chosen is None:
            return  # the left column shows the reason
        if label == state.OWN:
            label = chosen.image.label if chosen.image.label is not None else state.ANY
        request = PaintRequest.parse(
            {"model": info.name, "step": step, "count": 1, "label": label if label >= 0 else None}
        )
        if source_picker.picked("paint") == "example":
            image = share.call(inputs.test_image, info.name, memory.paint_index)
            share.offer_code(surprise, request, image, file=f"{info.name}-surprise.png", result="png")
        result = surprise(request, chosen.image)
        memory.paint_width = facts.width
        row, column = state.middle(facts)
        memory.paint_where = min(memory.get("paint_where", row * facts.width + column), facts.pixels - 1)
        at = Spot(0, *divmod(memory.paint_where, facts.width))
        if not is_held("paint_surprise"):
            state.write_address(info, facts, step)
            state.write_pixel(facts, at.row, at.column)
        maps, text = st.columns([5, 4], gap="medium")
        with maps:
            _maps(facts, result, at)
        with text:
            st.markdown(_likelihood(info, result))
            pixel_chart(facts, result.painting, at, key="paint_surprise_levels")


def _maps(facts: Facts, result: Surprise, at: Spot) -> None:
    most = f"{result.max_nats:.1f}"
    tiles = [
        BoardTile(t("paint.surprise.picture_alt"), t("paint.surprise.picture")),
        BoardTile(
            t("paint.surprise.map_alt", most=most), t("paint.surprise.map"), t("paint.surprise.scale", most=most)
        ),
    ]
    board(
        result.png,
        (facts.width, facts.height),
        tiles,
        label=t("paint.surprise.label"),
        spoken=t("paint.pixel_name"),
        key="paint_surprise",
        columns=2,
        tile=220,
        at=at,
        moved=st.session_state.get("paint_surprise_moved", 0),
        every=True,
        on_pick=_picked,
    )
    st.caption(t("paint.surprise.look"))


def _picked() -> None:
    spot = picked("paint_surprise")
    if spot is not None:
        width = st.session_state.paint_width
        st.session_state.paint_where = spot.row * width + spot.column


def _likelihood(info: CheckpointInfo, result: Surprise) -> str:
    parts = [
        t(
            "paint.surprise.total",
            nats=f"{result.nats:,.1f}",
            bits=f"{result.bits:.3f}",
            guessing=f"{result.uniform_nats:,.0f}",
            levels=f"{result.painting.canvas[0].numel():,}",
        )
    ]
    likeliest = result.likeliest
    if likeliest is not None and result.condition is not None:
        order = sorted(range(len(result.by_class)), key=result.by_class.__getitem__)[:_SHOWN_CLASSES]
        listed = ", ".join(f"{plain(info.condition_names[label])}: {result.by_class[label]:,.1f}" for label in order)
        parts.append(
            t("paint.surprise.classes", condition=plain(info.condition_names[result.condition]), listed=listed)
        )
        if result.label is not None and result.label < len(info.condition_names):
            kind = "right" if likeliest == result.label else "wrong"
            parts.append(t(f"paint.surprise.{kind}", label=plain(info.condition_names[result.label])))
    return "\n\n".join(parts)
