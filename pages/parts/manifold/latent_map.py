"""Codes of real images in the latent plane: a scatter plot to click on, or a pad over the same points to drag on."""

from __future__ import annotations

import streamlit as st

from genmodels.runs.catalog import CheckpointInfo
from genmodels.service import manifold
from genmodels.service.manifold import Place, Plane, Scatter
from genmodels.service.manifold.scatter_image import map_png
from pages.components import address, judge_note, pad, share
from pages.components.i18n import t
from pages.components.theme import is_dark, plain
from pages.components.tiles import Tile, data_url, row
from pages.components.view import Field
from pages.parts.manifold import scatter_plot

MODES = ("click", "drag", "images")
_PAD = "manifold_pad"


def _place(text: str) -> tuple[float, float]:
    limit = manifold.PLACE_LIMIT
    x, y = (address.number(-limit, limit, digits=3)(value) for value in text.split("_", 2))
    return x, y


def place_field() -> Field:
    """The chosen place in the address."""
    allowed = t("manifold.map.place", limit=f"{manifold.PLACE_LIMIT:g}")
    return Field("z", "manifold_z", _place, allowed, (0.0, 0.0), lambda z: "_".join(f"{value:g}" for value in z))


def is_dragged() -> bool:
    """Whether the pad is being dragged; only the place where it is released goes into the address."""
    return pad.position(_PAD) is not None and not pad.is_released(_PAD)


def show(info: CheckpointInfo, step: int) -> None:
    """Show the codes on the left; the decoded image at the chosen place and its nearest real images on the right."""
    memory = st.session_state
    memory.setdefault("manifold_moved", 0)
    plane = Plane.parse({"model": info.name, "step": step})
    scatter = manifold.scatter(plane)
    left, right = st.columns([6, 4], gap="medium")
    with left:
        mode = st.segmented_control(
            t("manifold.map.mode"),
            MODES,
            format_func=lambda name: t(f"manifold.map.{name}"),
            required=True,
            key="manifold_mode",
            help=t("manifold.map.mode_help"),
            persist_state="session",
        )
    # The image first: a chart of 10,000 points keeps a browser busy for a second, and a click waits for the image.
    with right:
        st.markdown(t(f"manifold.map.text_{mode}"))
        _answer(Place.parse({**plane.model_dump(), "z": memory.manifold_z}))
    with left:
        if mode == "click":
            _chart(scatter)
        else:
            _pad(plane, scatter, images=mode == "images")
        st.caption(data_caption(info, scatter))


def data_caption(info: CheckpointInfo, scatter: Scatter) -> str:
    """A caption: the images whose codes are shown."""
    count = f"{len(scatter.x):,}"
    if scatter.data == info.data:
        return t("manifold.map.caption", count=count, data=plain(scatter.data))
    return t("manifold.map.caption_fallback", count=count, data=plain(scatter.data), name=plain(info.name))


def _chart(scatter: Scatter) -> None:
    st.plotly_chart(
        scatter_plot.figure(scatter.key, is_dark(), scatter),
        key="manifold_scatter",
        on_select=_clicked,
        selection_mode="points",
        config={"displaylogo": False, "scrollZoom": True, "modeBarButtonsToRemove": ["select2d", "lasso2d"]},
        alt=t("manifold.map.chart_alt", count=f"{len(scatter.x):,}"),
    )


def _clicked() -> None:
    points = st.session_state.manifold_scatter.selection.points
    if points:
        st.session_state.manifold_z = (_bounded(points[0]["x"]), _bounded(points[0]["y"]))
        st.session_state.manifold_moved += 1


def _pad(plane: Plane, scatter: Scatter, *, images: bool) -> None:
    """Show the pad over the codes, or over the decoded images themselves."""
    extent = manifold.GRID_WINDOW if images else scatter.extent
    backdrop = None
    if not is_dragged():
        colors = scatter_plot.colors(), scatter_plot.ink()
        backdrop = data_url(manifold.sheet_png(plane) if images else map_png(plane, *colors))
    sides = (-extent, extent)
    view = pad.PadView(
        sides,
        sides,
        t("manifold.z1"),
        t("manifold.z2"),
        t("manifold.map.pad_label"),
        rings=() if images else (1.0, 2.0, 3.0),
        backdrop=backdrop,
    )
    memory = st.session_state
    pad.pad(view, memory.manifold_z, key=_PAD, on_move=_dragged, moved=memory.manifold_moved)


def _dragged() -> None:
    at = pad.position(_PAD)
    if at is not None:
        st.session_state.manifold_z = (_bounded(at[0]), _bounded(at[1]))


def _bounded(value: float) -> float:
    """A coordinate sent by the browser, clamped to the range that can be decoded."""
    limit = manifold.PLACE_LIMIT
    return round(min(max(float(value), -limit), limit), 3)


def _answer(place: Place) -> None:
    share.offer_code(manifold.decode, place, file=f"{place.model}.png", result="png")
    decoded = manifold.decode(place)
    x, y = (f"{value:.2f}" for value in place.z)
    caption = t("manifold.map.decoded", x=x, y=y)
    if decoded.prediction:
        caption = judge_note.reading("manifold.map.decoded_reading", decoded.prediction, x=x, y=y)
    row([Tile(decoded.png, caption, t("manifold.map.decoded_alt", x=x, y=y))], key="manifold_drawn", width=260)
    if place.step is not None:
        judge_note.untrained(place.step, decoded.prediction)
    st.markdown(f"**{t('manifold.map.neighbours')}**", help=t("manifold.map.neighbours_help"))
    row(
        [
            Tile(
                near.png,
                t("manifold.map.neighbour", label=near.label, distance=f"{near.distance:.2f}"),
                t("manifold.map.neighbour_alt", label=near.label, distance=f"{near.distance:.2f}"),
            )
            for near in decoded.neighbours
        ],
        key="manifold_neighbours",
        width=64,
    )
