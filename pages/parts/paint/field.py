"""Receptive fields of a pixel: of a plain PixelCNN, of a gated one, and of the checkpoint, side by side."""

from __future__ import annotations

import html

import streamlit as st

from genmodels.runs.catalog import CheckpointInfo
from genmodels.service import paint
from genmodels.service.paint import receptive_field
from genmodels.service.paint.receptive_field import PixelCounts, ReceptiveFieldRequest
from pages.components import share, view
from pages.components.i18n import t
from pages.components.theme import explain, friendly_errors
from pages.parts.paint import state
from pages.parts.paint.board import BoardTile, Spot, board, is_held, picked

_KINDS = ("plain", "gated", "own")


@st.fragment
def show(info: CheckpointInfo, step: int) -> None:
    """Show kernel, layers and pixel on the left; the maps with a legend and the blind spot on the right."""
    facts, memory = paint.facts(info.name), st.session_state
    # Counted from 1, as in the other parts of the page.
    memory.paint_row = min(memory.get("paint_row", facts.height // 2 + 1), facts.height)
    memory.paint_column = min(memory.get("paint_column", facts.width // 2 + 1), facts.width)
    spot = Spot(0, memory.paint_row - 1, memory.paint_column - 1)
    left, right = st.columns([1, 3], gap="large")
    with left:
        st.segmented_control(
            t("paint.field.kernel"),
            state.KERNELS,
            format_func=lambda side: t("paint.field.side", side=side),
            required=True,
            key="paint_kernel",
            help=t("paint.field.kernel_help"),
            persist_state="session",
        )
        st.slider(
            t("paint.field.layers"),
            2,
            receptive_field.MAX_LAYERS,
            key="paint_layers",
            help=t("paint.field.layers_help"),
            persist_state="session",
        )
        for name, most in (("row", facts.height), ("column", facts.width)):
            if most == 1:
                continue
            st.slider(
                t(f"paint.field.{name}"),
                1,
                most,
                key=f"paint_{name}",
                on_change=_moved,
                help=t(f"paint.field.{name}_help"),
                persist_state="session",
            )
    if not is_held("paint_field"):
        view.write("paint", state.FIELD_FIELDS, step=view.step_text(info, step))
        state.write_pixel(facts, spot.row, spot.column)
    with right, friendly_errors():
        request = ReceptiveFieldRequest.parse(
            {
                "model": info.name,
                "step": step,
                "row": spot.row,
                "column": spot.column,
                "kernel_size": memory.paint_kernel,
                "layers": memory.paint_layers,
            }
        )
        name = f"{info.name}-receptive-fields.png"
        share.offer_code(receptive_field.receptive_fields, request, file=name, result="png")
        fields = receptive_field.receptive_fields(request)
        tiles = [_tile(kind, info, getattr(fields, kind)) for kind in _KINDS]
        board(
            fields.png,
            (facts.width, facts.height),
            tiles,
            label=t("paint.field.label"),
            spoken=t("paint.pixel_name"),
            key="paint_field",
            columns=3,
            tile=230,
            at=spot,
            moved=memory.get("paint_field_moved", 0),
            every=True,
            on_pick=_picked,
        )
        _legend()
        explain(t("paint.field.text"))
        if not fields.plain.blind:
            st.caption(t("paint.field.none_here"))


def _tile(kind: str, info: CheckpointInfo, seen: PixelCounts) -> BoardTile:
    counts = {"seen": seen.inside, "earlier": seen.earlier, "blind": seen.blind}
    below = t("paint.field.counts", **counts)
    above = t(f"paint.field.{kind}", name=info.name)
    return BoardTile(t("paint.field.alt", above=above, below=below), above, below)


def _legend() -> None:
    swatches = (("seen", receptive_field.STRONG), ("blind", receptive_field.BLIND), ("unseen", receptive_field.UNSEEN),
                ("later", receptive_field.LATER))  # fmt: skip
    parts = [
        f'<span style="white-space:nowrap;margin-right:1.2em"><span style="display:inline-block;width:0.9em;'
        f"height:0.9em;border:1px solid #8a9499;border-radius:2px;vertical-align:-0.1em;margin-right:0.4em;"
        f'background:rgb{colour}"></span>{html.escape(t(f"paint.field.legend.{name}"))}</span>'
        for name, colour in swatches
    ]
    st.html(f'<div style="font-size:0.9rem;line-height:1.8">{"".join(parts)}</div>')


def _moved() -> None:
    st.session_state.paint_field_moved = st.session_state.get("paint_field_moved", 0) + 1


def _picked() -> None:
    spot = picked("paint_field")
    if spot is not None:
        st.session_state.paint_row, st.session_state.paint_column = spot.row + 1, spot.column + 1
