"""The state of the latent explorer by widget key; the values are read before the widgets are shown.

While the pad is dragged only the image and the pad are updated, not the twenty widgets around them. The position of the
knob is in `latent_drag` until `settle` copies it to the sliders.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import streamlit as st

from genmodels import service
from genmodels.runs.catalog import CheckpointInfo
from genmodels.service import MAX_AXES, Point
from genmodels.service.flow import has_flow
from genmodels.service.latent import Axes
from pages.components import pad
from pages.components.seed_input import random_number

SEEDS_PER_ROW, LIMIT = 100, 3.0
MAX_DIRECTIONS, MAX_NAME, DIRECTION_LIMIT = 6, 24, 2.0
PIN_PIXELS = 84
DEFAULTS: dict[str, Any] = {
    "latent_axes": None,
    "latent_axes_chosen": False,
    "latent_axes_model": None,
    "latent_pad_mode": "directions",
    "latent_pad_x": 0,
    "latent_pad_y": 1,
    "latent_truncation": 1.0,
    "latent_seed": 0,
    "latent_label": 0,
    "latent_plane": None,
    "latent_drag": None,
    "latent_released": False,
    "latent_moved": 0,
    **{f"latent_axis_{index}": 0.0 for index in range(MAX_AXES)},
}


class Direction(NamedTuple):
    """Offsets of the sliders under a name that the visitor chose."""

    name: str
    offsets: tuple[float, ...]


def prepare() -> None:
    """Set the defaults that are missing in a new session or after another page."""
    for key, value in DEFAULTS.items():
        st.session_state.setdefault(key, value)


def settle() -> None:
    """Copy a finished drag to the sliders, before they are shown: afterwards Streamlit does not allow it."""
    state = st.session_state
    if state.latent_drag is not None:
        for key, value in zip(("latent_pad_x", "latent_pad_y"), state.latent_drag, strict=True):
            state[f"latent_axis_{state[key]}"] = value
        state.latent_drag = None


def default_axes(info: CheckpointInfo) -> Axes:
    """The directions a model starts with: in a GAN's z no single number stands for anything.

    If z is an image of noise, the sliders lead to other noise.
    """
    if has_flow(info):
        return "seeds"
    return "first" if "encoding" in info.capabilities else "principal"


def choose_axes(info: CheckpointInfo) -> None:
    """Set the directions that suit a newly shown model, unless the user has chosen one of two kinds."""
    state = st.session_state
    axes = default_axes(info)
    stays = state.latent_axes_chosen or state.latent_axes_model == info.name
    if stays and "seeds" not in (axes, state.latent_axes):
        axes = state.latent_axes
    if axes != state.latent_axes:
        state.latent_axes = axes
        center()
    state.latent_axes_model = info.name


def label(classes: int) -> int | None:
    """The chosen one of so many classes; None for an unconditional model."""
    if st.session_state.latent_label not in range(classes):
        st.session_state.latent_label = 0
    return st.session_state.latent_label if classes else None


def point(model: str, step: int | None, count: int, classes: int = 0) -> Point:
    """The point that the controls set, of a model with `count` sliders and `classes` classes."""
    state = st.session_state
    offsets = [state[f"latent_axis_{index}"] for index in range(count)]
    if state.latent_drag is not None:
        offsets[state.latent_pad_x], offsets[state.latent_pad_y] = state.latent_drag
    return Point.parse(
        {
            "model": model,
            "step": step,
            "seed": state.latent_seed,
            "plane": state.latent_plane,
            "truncation": state.latent_truncation,
            "axes": state.latent_axes,
            "offsets": tuple(offsets),
            "label": label(classes),
        }
    )


def touched() -> None:
    """Move the knob, after a change made outside the pad."""
    st.session_state.latent_moved += 1


def seed_changed() -> None:
    st.session_state.latent_plane = None
    touched()


def axes_changed() -> None:
    st.session_state.latent_axes_chosen = True
    # The same offsets along other directions would be an unwanted jump.
    center()
    touched()


def reset() -> None:
    center()
    st.session_state.update(latent_truncation=1.0, latent_seed=0, latent_plane=None)
    touched()


def randomize() -> None:
    center()
    st.session_state.update(latent_seed=random_number(), latent_plane=None)
    touched()


def go_to(pinned: Point) -> None:
    """Set every control to a pinned point."""
    center()
    state = st.session_state
    state.update(
        latent_truncation=pinned.truncation,
        latent_seed=pinned.seed,
        latent_plane=pinned.plane,
        latent_axes=pinned.axes,
        latent_step=pinned.step,
        latent_label=pinned.label or 0,
    )
    for index, value in enumerate(pinned.offsets):
        state[f"latent_axis_{index}"] = value
    touched()


def pins(model: str) -> list[tuple[Point, bytes]]:
    """The points pinned in this session, with their thumbnails."""
    points: list[tuple[Point, bytes]] = st.session_state.setdefault("latent_pins", {}).setdefault(model, [])
    return points


def set_pins(model: str, points: Sequence[Point]) -> None:
    """Replace the pinned points of a model."""
    pins(model)[:] = [(point, service.render_enlarged(point, PIN_PIXELS)) for point in points]


def unpin(model: str, index: int) -> None:
    del pins(model)[index]


def directions(model: str) -> list[Direction]:
    """The named directions of a model along the axes that are chosen now."""
    key = model, st.session_state.latent_axes
    kept: list[Direction] = st.session_state.setdefault("latent_directions", {}).setdefault(key, [])
    return kept


def direction_key(index: int) -> str:
    return f"latent_direction_{index}"


def rest_directions() -> None:
    """Set the sliders of the named directions to 0, which moves nothing."""
    for index in range(MAX_DIRECTIONS):
        st.session_state[direction_key(index)] = 0.0
        st.session_state[f"{direction_key(index)}_last"] = 0.0


def center() -> None:
    """Set all sliders to 0."""
    st.session_state.latent_drag = None
    rest_directions()
    for index in range(MAX_AXES):
        st.session_state[f"latent_axis_{index}"] = 0.0


# ------------------------------------------------------------------------------ the pad


def on_pad() -> None:
    """Store the position of the dragged knob: offsets along two directions, or a point of the seed plane."""
    state = st.session_state
    at = pad.position("latent_pad")
    if at is None:
        return
    if state.latent_pad_mode == "seeds":
        (x0, x1), (y0, y1) = plane_window()
        state.latent_plane = (min(max(at[0], x0), x1), min(max(at[1], y0), y1))
    else:
        x, y = (min(max(round(value, 2), -LIMIT), LIMIT) for value in at)
        state.latent_drag = (x, y)
    state.latent_released = pad.is_released("latent_pad")


def is_dragged() -> bool:
    """Whether the knob is being dragged."""
    return pad.position("latent_pad") is not None and not pad.is_released("latent_pad")


def drag_has_ended() -> bool:
    """Whether a drag has ended since the last call."""
    ended: bool = st.session_state.latent_released
    st.session_state.latent_released = False
    return ended


def pad_position() -> tuple[float, float]:
    state = st.session_state
    if state.latent_pad_mode == "seeds":
        return state.latent_plane or place_of(state.latent_seed)
    if state.latent_drag is not None:
        x, y = state.latent_drag
        return x, y
    return state[f"latent_axis_{state.latent_pad_x}"], state[f"latent_axis_{state.latent_pad_y}"]


def place_of(seed: int) -> tuple[float, float]:
    """The column and the row of a seed in the seed plane."""
    return float(seed % SEEDS_PER_ROW), float(seed // SEEDS_PER_ROW)


def plane_window() -> tuple[tuple[float, float], tuple[float, float]]:
    """The part of the seed plane that the pad shows: 7 x 7 seeds around the chosen one."""
    column, row = place_of(st.session_state.latent_seed)
    x0, y0 = max(0.0, column - LIMIT), row - LIMIT if row < 0 else max(0.0, row - LIMIT)
    return (x0, x0 + 2 * LIMIT), (y0, y0 + 2 * LIMIT)
