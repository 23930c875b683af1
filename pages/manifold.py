"""The latent plane: what a model with a z of two numbers draws, where real pictures land, and what is in between."""

from __future__ import annotations

import streamlit as st

from genmodels.catalog import CheckpointInfo
from genmodels.errors import GenmodelsError
from genmodels.service import manifold
from genmodels.service.manifold import Plane, Spacing
from pages.components import manifold_beside, manifold_denoise, manifold_draw, manifold_map
from pages.components.i18n import t
from pages.components.theme import error_box, friendly_errors, page_title, plain
from pages.components.tiles import Tile, row

_PARTS = ("grid", "map", "draw", "beside", "denoise")
_ONE_MODEL = ("grid", "map", "draw")


def _pick_part() -> str:
    """Which view is shown, bound to `?part=`. Only that one is computed."""
    memory = st.session_state
    wanted = st.query_params.get("part")
    if wanted != memory.get("manifold_part_address") and wanted in _PARTS:
        memory.manifold_part = wanted
    memory.setdefault("manifold_part", memory.get("manifold_part_address", _PARTS[0]))
    chosen = st.segmented_control(
        t("manifold.part"),
        _PARTS,
        format_func=lambda part: t(f"manifold.parts.{part}"),
        required=True,
        key="manifold_part",
        help=t("manifold.part_help"),
        label_visibility="collapsed",
    )
    memory.manifold_part_address = st.query_params["part"] = str(chosen)
    return str(chosen)


def _pick_model(infos: dict[str, CheckpointInfo]) -> CheckpointInfo:
    """The model picker, bound to `?model=`."""
    memory = st.session_state
    wanted = st.query_params.get("model")
    if wanted and wanted not in infos:  # also the page's own address, where the run was deleted meanwhile
        st.warning(t("manifold.unknown_model", name=plain(wanted[:80])), icon=":material/search_off:")
    elif wanted and wanted != memory.get("manifold_address"):
        memory.manifold_model = wanted
    if memory.get("manifold_model") not in infos:
        kept = memory.get("manifold_address")
        memory.manifold_model = kept if kept in infos else next(iter(infos))

    def label(name: str) -> str:
        info = infos[name]
        return t(f"manifold.model_option.{'published' if info.published else 'run'}", title=info.title, name=name)

    chosen = st.selectbox(
        t("manifold.model"), list(infos), format_func=label, key="manifold_model", help=t("manifold.model_help")
    )
    memory.manifold_address = st.query_params["model"] = chosen
    return infos[chosen]


def _pick_step(info: CheckpointInfo) -> int:
    steps, memory = info.steps, st.session_state
    if memory.get("manifold_step") not in steps or memory.get("manifold_of", info.name) != info.name:
        memory.manifold_step = steps[-1]
    memory.manifold_of = info.name
    if len(steps) == 1:
        st.caption(t("manifold.one_step", step=f"{steps[0]:,}"))
        return steps[0]
    return int(
        st.select_slider(
            t("manifold.step"),
            steps,
            format_func=lambda step: f"{step:,}",
            key="manifold_step",
            help=t("manifold.step_help"),
            persist_state="session",
        )
    )


def _grid(info: CheckpointInfo, step: int) -> None:
    left, right = st.columns([6, 4], gap="medium")
    with right:
        st.markdown(t("manifold.grid.text"))
        chosen = st.segmented_control(
            t("manifold.grid.spacing"),
            ("even", "quantiles"),
            default="even",
            format_func=lambda name: t(f"manifold.grid.{name}"),
            required=True,
            key="manifold_spacing",
            help=t("manifold.grid.spacing_help"),
            persist_state="session",
        )
    spacing: Spacing = "quantiles" if chosen == "quantiles" else "even"
    with left:
        png = manifold.grid_png(Plane.parse({"model": info.name, "step": step}), spacing)
        alt = t("manifold.grid.alt", name=info.name, step=f"{step:,}")
        row([Tile(png, t(f"manifold.grid.caption_{spacing}"), alt)], key="manifold_grid", width=640, smooth=True)


def _one_model(part: str, info: CheckpointInfo, step: int) -> None:
    with friendly_errors():
        if part == "grid":
            _grid(info, step)
        elif part == "map":
            manifold_map.show(info, step)
        else:
            manifold_draw.show(info, step)


def _page() -> None:
    page_title(t("manifold.title"), t("manifold.intro"))
    infos = {info.name: info for info in manifold.planes()}
    if not infos:
        st.info(t("manifold.empty"), icon=":material/model_training:")
        st.page_link(
            "train.py",
            label=t("manifold.empty_link"),
            icon=":material/arrow_forward:",
            query_params={"recipe": "mnist_vae_2d"},
        )
        return
    part = _pick_part()
    if part in _ONE_MODEL:
        left, right = st.columns([6, 4], gap="medium")
        with left:
            info = _pick_model(infos)
        with right:
            step = _pick_step(info)
        st.fragment(_one_model)(part, info, step)
    elif part == "beside":
        with friendly_errors():
            manifold_beside.show(infos)
    else:
        st.fragment(manifold_denoise.show)()


try:
    _page()
except GenmodelsError as error:
    error_box(str(error))
