"""The latent plane of models with a two-dimensional z: decoded grid, encoded data, own digits, denoising."""

from __future__ import annotations

import streamlit as st

from genmodels.runs.catalog import CheckpointInfo
from genmodels.service import manifold
from genmodels.service.manifold import Plane, Spacing, denoise
from genmodels.service.manifold.scatter_image import with_ticks
from pages.components import address, share, view
from pages.components.i18n import t
from pages.components.model_choice import check_model, pick_model_and_step, pick_part
from pages.components.page import model_page
from pages.components.theme import explain, friendly_errors
from pages.components.tiles import Tile, row
from pages.components.view import Field
from pages.parts.manifold import comparison, denoising, latent_map, own_digit, scatter_plot

_PARTS = ("grid", "map", "draw", "beside", "denoise")
_ONE_MODEL = ("grid", "map", "draw")


def _fields() -> list[Field]:
    """What the parts of one model show, in the address."""
    return [
        view.choice_of("spacing", "manifold_spacing", ("even", "quantiles"), "even"),
        view.choice_of("mode", "manifold_mode", latent_map.MODES, "click"),
        latent_map.place_field(),
    ]


def _grid(info: CheckpointInfo, step: int) -> None:
    left, right = st.columns([6, 4], gap="medium")
    with right:
        explain(t("manifold.grid.text"))
        chosen = st.segmented_control(
            t("manifold.grid.spacing"),
            ("even", "quantiles"),
            format_func=lambda name: t(f"manifold.grid.{name}"),
            required=True,
            key="manifold_spacing",
            help=t("manifold.grid.spacing_help"),
            persist_state="session",
        )
    spacing: Spacing = "quantiles" if chosen == "quantiles" else "even"
    with left:
        plane = Plane.parse({"model": info.name, "step": step})
        share.offer_code(manifold.grid_png, plane, spacing, file=f"{info.name}-grid.png")
        png = manifold.grid_png(plane, spacing)
        if spacing == "even":
            png = with_ticks(png, manifold.GRID_WINDOW, scatter_plot.ink())
        alt = t("manifold.grid.alt", name=info.name, step=f"{step:,}")
        row([Tile(png, t(f"manifold.grid.caption_{spacing}"), alt)], key="manifold_grid", width=640, smooth=True)


def _one_model(part: str, info: CheckpointInfo, step: int) -> None:
    memory = st.session_state
    before = memory.get("manifold_z")
    view.read("manifold", _fields())
    if memory.manifold_z != before:
        memory.manifold_moved = memory.get("manifold_moved", 0) + 1
    if not latent_map.is_dragged():
        view.write("manifold", _fields(), step=view.step_text(info, step))
    with friendly_errors():
        if part == "grid":
            _grid(info, step)
        elif part == "map":
            latent_map.show(info, step)
        else:
            own_digit.show(info, step)


def _page(infos: dict[str, CheckpointInfo]) -> None:
    part = pick_part("manifold", _PARTS)
    denoisers = {info.name for info in denoise.denoisers()}
    if part == "denoise":
        denoising.read_address(denoisers | infos.keys())
    elif address.written("manifold", "model") in denoisers - infos.keys():
        address.write("manifold", "model", None)  # a model that only the denoising part shows
    if part == "beside":
        check_model("manifold", infos)
    if part in _ONE_MODEL:
        info, step = pick_model_and_step("manifold", infos, columns=[6, 4])
        st.fragment(_one_model)(part, info, step)
    elif part == "beside":
        with friendly_errors():
            comparison.show(infos)
    else:
        st.fragment(denoising.show)()


model_page("manifold", manifold.checkpoints, _page, recipe="mnist_vae_2d")
