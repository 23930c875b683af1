"""Directions that a visitor has named: offsets of the sliders, kept in the session and in the page's address."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from genmodels.service import MAX_AXES
from pages.components.i18n import t
from pages.components.theme import plain
from pages.parts.latent import state
from pages.parts.latent.state import Direction


def show(model: str, count: int) -> None:
    """Show a slider for each named direction of a model with `count` sliders, and the field to name the current one."""
    kept = state.directions(model)
    with st.expander(t("latent.directions.title"), icon=":material/explore:", key="latent_directions_box"):
        for index, direction in enumerate(kept):
            slider, remove = st.columns([5, 1], vertical_alignment="bottom")
            slider.slider(
                plain(direction.name),
                -state.DIRECTION_LIMIT,
                state.DIRECTION_LIMIT,
                step=0.05,
                key=state.direction_key(index),
                on_change=_move,
                args=(index, direction),
                help=t("latent.directions.slider_help"),
                persist_state="session",
            )
            remove.button(
                "",
                key=f"latent_direction_remove_{index}",
                icon=":material/close:",
                on_click=_remove,
                args=(model, index),
                help=t("latent.directions.remove_help", name=plain(direction.name)),
                type="tertiary",
            )
        offsets = tuple(st.session_state[f"latent_axis_{index}"] for index in range(count))
        name, keep = st.columns([3, 2], vertical_alignment="bottom")
        name.text_input(
            t("latent.directions.name"),
            key="latent_direction_name",
            max_chars=state.MAX_NAME,
            placeholder=t("latent.directions.placeholder"),
            help=t("latent.directions.name_help"),
        )
        keep.button(
            t("latent.directions.keep"),
            key="latent_direction_keep",
            icon=":material/add:",
            on_click=_keep,
            args=(model, offsets),
            disabled=not any(offsets) or len(kept) >= state.MAX_DIRECTIONS,
            help=t("latent.directions.keep_help", count=state.MAX_DIRECTIONS),
        )


def _keep(model: str, offsets: Sequence[float]) -> None:
    memory = st.session_state
    kept = state.directions(model)
    entered = " ".join(memory.latent_direction_name.replace("~", " ").split())
    kept.append(Direction(entered or t("latent.directions.unnamed", number=len(kept) + 1), tuple(offsets)))
    memory.latent_direction_name = ""
    state.rest_directions()


def _remove(model: str, index: int) -> None:
    del state.directions(model)[index]
    state.rest_directions()


def _move(index: int, direction: Direction) -> None:
    """Move the sliders by the part of the direction that its own slider was moved by."""
    memory = st.session_state
    key, last = state.direction_key(index), f"{state.direction_key(index)}_last"
    by = memory[key] - memory.get(last, 0.0)
    memory[last] = memory[key]
    for axis, offset in zip(range(MAX_AXES), direction.offsets, strict=False):
        moved = memory[f"latent_axis_{axis}"] + by * offset
        memory[f"latent_axis_{axis}"] = round(min(max(moved, -state.LIMIT), state.LIMIT), 2)
    state.touched()
