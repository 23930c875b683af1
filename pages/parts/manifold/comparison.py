"""Two models with a two-dimensional z side by side: an autoencoder with holes, a VAE with a smooth plane."""

from __future__ import annotations

import streamlit as st

from genmodels.runs.catalog import CheckpointInfo
from genmodels.service import manifold
from genmodels.service.manifold import Plane
from genmodels.service.manifold.scatter_image import map_png, with_ticks
from pages.components import choice
from pages.components.i18n import t
from pages.components.theme import explain
from pages.components.tiles import Tile, row
from pages.parts.manifold import scatter_plot
from pages.parts.manifold.latent_map import data_caption

_SIDES = ("left", "right")


def show(infos: dict[str, CheckpointInfo]) -> None:
    """Show two models; by default one without a posterior on the left and one with it on the right."""
    if len(infos) < 2:
        st.info(t("manifold.beside.one"), icon=":material/info:")
        st.page_link(
            "train.py",
            label=t("manifold.beside.one_link"),
            icon=":material/arrow_forward:",
            query_params={"recipe": "mnist_autoencoder_2d"},
        )
        return
    explain(t("manifold.beside.text"))
    names = list(infos)
    point = next((name for name in names if not manifold.has_capability(infos[name], "posterior")), names[-1])
    first = {"left": point, "right": next(name for name in names if name != point)}
    columns = st.columns(2, gap="medium")
    chosen = []
    for side, column in zip(_SIDES, columns, strict=True):
        key = f"manifold_{side}"
        name = choice.choose(
            t(f"manifold.beside.{side}"),
            names,
            lambda name: f"{infos[name].label} · {name}",
            key=key,
            fallback=first[side],
            place=column,
            help=t("manifold.beside.pick_help"),
            persist_state="session",
        )
        chosen.append(infos[name])
    planes = [Plane.parse({"model": info.name, "step": info.steps[-1]}) for info in chosen]
    scatters = [manifold.scatter(plane) for plane in planes]
    # One range for all four images, because the spread of the codes is part of the comparison.
    limit = max(scatter.extent for scatter in scatters)
    for index, (info, plane) in enumerate(zip(chosen, planes, strict=True)):
        with columns[index]:
            kind = "posterior" if manifold.has_capability(info, "posterior") else "point"
            st.markdown(t(f"manifold.beside.why_{kind}"))
            row(
                [
                    Tile(
                        with_ticks(manifold.grid_png(plane, window=limit), limit, scatter_plot.ink()),
                        t("manifold.beside.grid_caption", limit=f"{limit:.1f}"),
                        t("manifold.beside.grid_alt", name=info.name, limit=f"{limit:.1f}"),
                    )
                ],
                key=f"manifold_grid_{_SIDES[index]}",
                width=560,
                smooth=True,
            )
            caption = t("manifold.beside.map_caption", data=scatters[index].data, limit=f"{limit:.1f}")
            alt = t("manifold.beside.map_alt", name=info.name)
            dots = map_png(plane, scatter_plot.colors(), scatter_plot.ink(), extent=limit)
            row(
                [Tile(with_ticks(dots, limit, scatter_plot.ink()), caption, alt)],
                key=f"manifold_map_{_SIDES[index]}",
                width=560,
                smooth=True,
            )
            if scatters[index].data != info.data:
                st.caption(data_caption(info, scatters[index]))
