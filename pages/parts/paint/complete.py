"""Completing a picture: the upper rows are given, the rest is painted, in as many ways as there are seeds."""

from __future__ import annotations

import streamlit as st

from genmodels.catalog import CheckpointInfo
from genmodels.service import paint
from genmodels.service.real_pictures import tile_png
from pages.components.i18n import t
from pages.components.theme import friendly_errors
from pages.components.tiles import Tile, row
from pages.parts.paint import source, state, watch


def show(info: CheckpointInfo, step: int) -> None:
    """What is given and the knobs at the left, the completions at the right."""
    known, memory = paint.facts(info.name), st.session_state
    if known.height < 2:
        st.info(t("paint.complete.one_row"), icon=":material/info:")
        return
    memory.paint_given = min(memory.get("paint_given", known.height // 2), known.height - 1)
    left, right = st.columns([1, 3], gap="large")
    chosen, asking, waits = None, None, False
    with left, friendly_errors():
        given = st.slider(
            t("paint.complete.rows"),
            1,
            known.height - 1,
            key="paint_given",
            help=t("paint.complete.rows_help"),
            persist_state="session",
        )
        chosen = source.choose(info, guide=given)
        waits = chosen is None and source.draws(info)
        if chosen is not None and st.session_state.paint_source == "test":
            original = Tile(
                tile_png(chosen.given.pixels), "", t("paint.complete.original_alt"), t("paint.complete.original")
            )
            row([original], key="paint_original", width=110)
        label = None if chosen is None else chosen.given.label
        asking = state.knobs(info, step, known, own=label, completing=True)
        state.write_address(asking)
    with right:
        if waits:
            st.info(t("paint.complete.empty"), icon=":material/draw:")
        if chosen is None or asking is None:
            return  # why is said at the left
        st.markdown(t("paint.complete.text"))
        watch.show(info, known, asking, chosen.given, given, chosen.what)
