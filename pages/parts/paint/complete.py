"""Complete an image: the upper rows are known, the rest is sampled, once per seed."""

from __future__ import annotations

import streamlit as st

from genmodels.runs.catalog import CheckpointInfo
from genmodels.service import paint
from genmodels.service.dataset_images import tile_png
from pages.components import source_picker
from pages.components.i18n import t
from pages.components.theme import explain, friendly_errors
from pages.components.tiles import Tile, row
from pages.parts.paint import codes, source, state, watch


def show(info: CheckpointInfo, step: int) -> None:
    """Show the known image and the settings on the left, the completions on the right."""
    facts, memory = paint.facts(info.name), st.session_state
    if facts.height < 2:
        st.info(t("paint.complete.one_row"), icon=":material/info:")
        return
    memory.paint_given = min(memory.get("paint_given", facts.height // 2), facts.height - 1)
    left, right = st.columns([1, 3], gap="large")
    chosen, request, is_waiting = None, None, False
    with left, friendly_errors():
        known_rows = st.slider(
            t("paint.complete.rows"),
            1,
            facts.height - 1,
            key="paint_given",
            help=t("paint.complete.rows_help"),
            persist_state="session",
        )
        chosen = source.choose(info, guide=known_rows * facts.cell)
        is_waiting = chosen is None and source.is_canvas(info)
        if chosen is not None and source_picker.picked("paint") == "example":
            original = Tile(
                tile_png(chosen.image.pixels), "", t("paint.complete.original_alt"), t("paint.complete.original")
            )
            row([original], key="paint_original", width=110)
        label = None if chosen is None else chosen.image.label
        request = state.sampling_options(info, step, facts, own=label, completing=True)
        state.write_address(info, facts, step, request)
    with right:
        if is_waiting:
            st.info(t("paint.complete.empty"), icon=":material/draw:")
        if chosen is None or request is None:
            return  # the left column shows the reason
        explain(t("paint.complete.text"))
        if source_picker.picked("paint") == "example":
            state.offer_code(request, memory.paint_index, known_rows)
        (codes if paint.has_codes(info) else watch).show(info, facts, request, chosen.image, known_rows, chosen.key)
