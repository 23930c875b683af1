"""The visitor's own digit in the latent plane: its code, the posterior, the reconstruction and samples."""

from __future__ import annotations

import numpy as np
import streamlit as st

from genmodels.images import drawing
from genmodels.runs.catalog import CheckpointInfo
from genmodels.service import manifold
from genmodels.service.manifold import Plane, encoding
from genmodels.service.manifold.encoding import Encoded
from genmodels.service.manifold.scatter_image import map_png, with_ticks, zoom_png
from pages.components import source_picker
from pages.components.i18n import t
from pages.components.theme import explain, friendly_errors, plain
from pages.components.tiles import Tile, row
from pages.parts.manifold import scatter_plot
from pages.parts.manifold.latent_map import data_caption


def show(info: CheckpointInfo, step: int) -> None:
    """Show canvas and upload on the left; z, its posterior, the reconstruction and samples on the right."""
    if not manifold.accepts_drawings(info.name):
        st.info(t("manifold.draw.wrong_format", name=plain(info.name)), icon=":material/info:")
        return
    left, right = st.columns([4, 6], gap="medium")
    with left:
        explain(t("manifold.draw.text"))
        drawn = source_picker.draw_digit("manifold")
        uploaded = source_picker.upload_file("manifold", "manifold.draw", drawing.SUFFIXES)
    with right, friendly_errors():
        ink = drawn if uploaded is None else drawing.from_file(uploaded.getvalue())
        if ink is None:
            st.info(t("manifold.draw.empty"), icon=":material/draw:")
            return
        _answer(info, Plane.parse({"model": info.name, "step": step}), ink)


def _answer(info: CheckpointInfo, plane: Plane, ink: np.ndarray) -> None:
    st.session_state.setdefault("manifold_draws", 0)
    code = encoding.encode(plane, ink, seed=st.session_state.manifold_draws)
    kind = "point" if code.sigma is None else "posterior"
    x, y = (f"{value:.2f}" for value in code.z)
    sx, sy = (f"{value:.2f}" for value in code.sigma or (0.0, 0.0))
    nats = f"{code.nats:.0f}"
    plane_side, images = st.columns([5, 4], gap="medium")
    with plane_side:
        scatter = manifold.scatter(plane)
        png = map_png(plane, scatter_plot.colors(), scatter_plot.ink(), z=code.z, sigma=code.sigma)
        alt = t(f"manifold.draw.map_alt_{kind}", x=x, y=y, sx=sx, sy=sy)
        row(
            [
                Tile(
                    with_ticks(png, scatter.extent, scatter_plot.ink()),
                    t(f"manifold.draw.{kind}", x=x, y=y, sx=sx, sy=sy),
                    alt,
                )
            ],
            key="manifold_place",
            width=420,
            smooth=True,
        )
        st.caption(data_caption(info, scatter))
        if code.sigma is not None:
            _near(plane, code.z, code.sigma)
    with images:
        row(
            [
                Tile(code.prepared, "", t("manifold.draw.prepared_alt"), t("manifold.draw.prepared")),
                Tile(
                    code.reconstruction,
                    t("manifold.draw.reconstruction_caption", nats=nats),
                    t("manifold.draw.reconstruction_alt", nats=nats),
                    t("manifold.draw.reconstruction"),
                ),
            ],
            key="manifold_again",
            width=150,
        )
        _posterior(code)


def _near(plane: Plane, z: tuple[float, float], sigma: tuple[float, float]) -> None:
    png, times = zoom_png(plane, scatter_plot.colors(), scatter_plot.ink(), z, sigma)
    caption = t("manifold.draw.zoom", times=f"{times:.0f}")
    row([Tile(png, caption, t("manifold.draw.zoom_alt"))], key="manifold_zoom", width=260, smooth=True)


def _posterior(code: Encoded) -> None:
    if code.kl is None:
        st.markdown(t("manifold.draw.why_point"))
        return
    total = code.kl + code.nats + code.entropy
    st.markdown(
        t("manifold.draw.why_posterior", kl=f"{code.kl:.1f}", entropy=f"{code.entropy:.0f}", total=f"{total:.0f}")
    )
    st.markdown(f"**{t('manifold.draw.samples')}**", help=t("manifold.draw.samples_help"))
    row(
        [
            Tile(png, "", t("manifold.draw.sample_alt", number=number))
            for number, png in enumerate(code.samples, start=1)
        ],
        key="manifold_posterior",
        width=60,
    )
    st.button(
        t("common.new_seed"),
        key="manifold_redraw",
        icon=":material/casino:",
        on_click=_redraw,
        help=t("manifold.draw.new_seed_help"),
    )


def _redraw() -> None:
    st.session_state.manifold_draws += 1
