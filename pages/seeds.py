"""Seeds: interpolate, add and subtract latent vectors, and see their norms."""

from __future__ import annotations

from itertools import pairwise

import streamlit as st

from genmodels import service
from genmodels.latent.norms import NormDistribution, norm_distribution
from genmodels.runs.catalog import CheckpointInfo
from genmodels.service import seeds
from genmodels.service.seeds import SeedsRequest
from pages.components import judge_note, share, view
from pages.components.choice import choose
from pages.components.class_picker import class_picker
from pages.components.file_buttons import gif_button, png_button
from pages.components.i18n import t
from pages.components.model_choice import pick_model
from pages.components.page import model_page
from pages.components.theme import explain, friendly_errors, plain
from pages.parts.seeds import arithmetic, charts, state
from pages.parts.seeds.tile_texts import show, tile_text


def _controls(infos: dict[str, CheckpointInfo]) -> CheckpointInfo:
    left, right = st.columns(2, gap="medium")
    with left:
        info = pick_model("seeds", infos, state.PREFERRED)
        view.read("seeds", state.fields(info))
    with right:
        chosen = st.session_state.seeds_list
        st.multiselect(
            t("seeds.list"),
            list(dict.fromkeys([*chosen, *map(str, range(10))])),
            key="seeds_list",
            on_change=state.edited,
            max_selections=seeds.MAX_SEEDS,
            accept_new_options=True,
            placeholder=t("seeds.list_placeholder"),
            help=t("seeds.list_help"),
        )
    row = st.container(horizontal=True, vertical_alignment="center", key="seeds_actions")
    row.button(
        t("common.new_seeds"),
        key="seeds_randomise",
        icon=":material/casino:",
        on_click=state.randomise,
        help=t("seeds.new_seeds_help"),
    )
    row.button(
        t("seeds.more"),
        key="seeds_more",
        icon=":material/add:",
        on_click=state.add_one,
        disabled=len(chosen) >= seeds.MAX_SEEDS,
        help=t("seeds.more_help"),
    )
    row.toggle(
        t("seeds.renormalise"), key="seeds_renormalise", help=t("seeds.renormalise_help"), persist_state="session"
    )
    if info.condition_names:
        class_picker(info.condition_names, key="seeds_label", label=t("seeds.label"), help_text=t("seeds.label_help"))
    if bad := state.refused():
        st.warning(t("seeds.refused", entered=state.named(bad), count=seeds.MAX_SEEDS), icon=":material/block:")
    return info


def _pair(info: CheckpointInfo, study: SeedsRequest) -> int:
    """Show the picker of two consecutive seeds and return its index."""
    pairs = {f"{first},{second}": t("seeds.pair_option", first=first, second=second)
             for first, second in pairwise(study.seeds)}  # fmt: skip
    if len(pairs) == 1:
        return 0
    chosen = choose(
        t("seeds.pair"),
        list(pairs),
        pairs.__getitem__,
        key="seeds_pair",
        kind="segmented_control",
        help=t("seeds.pair_help"),
        persist_state="session",
    )
    view.write("seeds", state.fields(info))
    return list(pairs).index(chosen)


@st.fragment
def _between(info: CheckpointInfo, study: SeedsRequest, norms: NormDistribution) -> None:
    """Show linear and spherical interpolation, their norms and downloads."""
    st.header(t("seeds.between"), anchor=False)
    explain(t("seeds.between_text"))
    with friendly_errors():
        pair = _pair(info, study)
        first, second = study.seeds[pair : pair + 2]
        share.offer_code(seeds.interpolations_png, study, pair, file=f"{study.model}-{first}-{second}.png")
        lengths = {}
        judged = False
        for kind in ("linear", "spherical"):
            sheet = seeds.interpolation(study, pair, kind)
            name = t(f"seeds.{kind}")
            tiles = [
                tile_text(tile, norms, t("seeds.step_alt", method=name, step=number))
                for number, tile in enumerate(sheet.tiles, start=1)
            ]
            st.markdown(f"**{name}**")
            label = t("seeds.row_label", method=name, first=first, second=second)
            show(sheet, tiles, label=label, key=f"seeds_strip_{kind}", columns=seeds.STEPS)
            lengths[name] = [tile.norm for tile in sheet.tiles]
            judged = sheet.tiles[0].prediction is not None
            judge_note.outside(tile.prediction for tile in sheet.tiles)
        st.caption(t("seeds.judge_note", judge=t("seeds.judge_note_judge") if judged else ""))
        judge_note.untrained(info.steps[-1], judged)
        left, right = st.columns([3, 2], gap="medium")
        with left:
            st.subheader(t("seeds.norms_title"), anchor=False)
            charts.lengths(lengths, norms, key="seeds_lengths")
        with right, st.container(key="seeds_keep"):
            if norms.dim < arithmetic.LOW_DIMENSIONS:
                st.markdown(t("seeds.interpolation_text_low", dim=norms.dim))
            else:
                explain(t("seeds.interpolation_text"))
            _downloads(study, pair)


def _downloads(study: SeedsRequest, pair: int) -> None:
    row = st.container(horizontal=True)
    png_button(
        "seeds.png",
        lambda: seeds.interpolations_png(study, pair),
        f"{study.model}-{study.seeds[pair]}-{study.seeds[pair + 1]}.png",
        key="seeds_png",
        place=row,
    )
    gif_button("seeds.gif", lambda: seeds.seeds_gif(study), f"{study.model}-walk.gif", key="seeds_gif", place=row)


@st.fragment
def _table(study: SeedsRequest, norms: NormDistribution) -> None:
    st.header(t("seeds.table"), anchor=False)
    explain(t("seeds.table_text"))
    shown = st.session_state.setdefault("seeds_table_shown", False)

    def toggle() -> None:
        st.session_state.seeds_table_shown = not shown

    row = st.container(horizontal=True)
    row.button(
        t("seeds.table_button_again" if shown else "seeds.table_button"),
        key="seeds_table",
        type="secondary" if shown else "primary",
        icon=":material/table:",
        on_click=toggle,
        help=t("seeds.table_help"),
    )
    if not shown:
        return
    png_button(
        "seeds.table_png", lambda: seeds.table_png(study), f"{study.model}-table.png", key="seeds_table_png", place=row
    )
    with friendly_errors():
        sheet = seeds.table(study)
        tiles = []
        for index, tile in enumerate(sheet.tiles):
            pair, column = divmod(index, len(seeds.COLUMNS))
            name = t(f"seeds.column.{seeds.COLUMNS[column]}", first=study.seeds[pair], second=study.seeds[pair + 1])
            tiles.append(tile_text(tile, norms, f"{name}.", above=name))
        if study.renormalise:
            st.caption(t("seeds.table_renormalised"))
        show(sheet, tiles, label=t("seeds.table_label"), key="seeds_table_strip", columns=len(seeds.COLUMNS))


def _page(infos: dict[str, CheckpointInfo]) -> None:
    state.read_address()
    info = _controls(infos)
    state.write_address(info)
    if not info.latent_dim:
        st.info(t("seeds.constant", name=plain(info.name)), icon=":material/info:")
        st.page_link(
            "latent.py",
            label=t("seeds.constant_link"),
            icon=":material/open_with:",
            query_params={"model": info.name},
        )
        return
    chosen = state.seeds()
    if len(chosen) < seeds.MIN_SEEDS:
        st.info(t("seeds.too_few"), icon=":material/info:")
        return
    study = SeedsRequest.parse(
        {
            "model": info.name,
            "seeds": chosen,
            "renormalise": bool(st.session_state.seeds_renormalise),
            "label": st.session_state.seeds_label if info.condition_names else None,
        }
    )
    norms = norm_distribution(info.latent_dim)
    _between(info, study, norms)
    arithmetic.show(study, norms, "sampling" in info.capabilities)
    _table(study, norms)


model_page("seeds", service.latent_checkpoints, _page)
