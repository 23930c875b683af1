"""The image given to the model: a test image by its number, or the visitor's own drawing."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable
from dataclasses import dataclass

import streamlit as st

from genmodels.runs.catalog import CheckpointInfo
from genmodels.service.paint import inputs
from genmodels.service.paint.inputs import KnownImage
from pages.components.canvas import canvas
from pages.components.i18n import t
from pages.components.number_field import whole_number
from pages.components.seed_input import set_random
from pages.components.theme import plain


@dataclass(frozen=True)
class Chosen:
    """The image, and a key that identifies it."""

    given: KnownImage
    key: Hashable


def choose(info: CheckpointInfo, *, guide: int | None = None) -> Chosen | None:
    """Show the controls and return the chosen image, or None.

    With `guide` the visitor draws the first `guide` rows in place; else a whole digit, which is centred as in MNIST.
    """
    memory, count = st.session_state, inputs.test_count(info.name)
    sources = [*(["test"] if count else []), *(["own"] if inputs.accepts_drawings(info.name) else [])]
    if not sources:
        st.info(t("paint.source.none"), icon=":material/photo_library:")
        st.page_link("data.py", label=t("paint.source.none_link"), icon=":material/arrow_forward:")
        return None
    if memory.get("paint_source") not in sources:
        memory.paint_source = sources[0]
    if len(sources) > 1:
        st.segmented_control(
            t("paint.source.source"),
            sources,
            format_func=lambda name: t(f"paint.source.{name}"),
            required=True,
            key="paint_source",
            help=t("paint.source.source_help"),
            persist_state="session",
        )
    if memory.paint_source == "own":
        return _from_canvas(info, guide)
    row = st.container(horizontal=True, vertical_alignment="bottom")
    data = inputs.test_data(info.name)
    text = "index" if inputs.unseen(info.name) else "other_index"
    index = whole_number(
        t("paint.source.index"),
        0,
        count - 1,
        key="paint_index",
        place=row,
        help=t(f"paint.source.{text}_help", count=f"{count:,}", data="" if data is None else plain(data.title)),
        width=150,
        persist_state="session",
    )
    row.button(
        t("paint.source.another"),
        key="paint_another",
        icon=":material/casino:",
        on_click=set_random,
        args=("paint_index", count),
        help=t("paint.source.another_help"),
    )
    return Chosen(inputs.test_image(info.name, int(index)), ("test", int(index)))


def is_canvas(info: CheckpointInfo) -> bool:
    """Whether the chosen source is the canvas."""
    return inputs.accepts_drawings(info.name) and st.session_state.get("paint_source") == "own"


def _from_canvas(info: CheckpointInfo, guide: int | None) -> Chosen | None:
    upper = guide is not None
    ink = canvas(
        key="paint_upper" if upper else "paint_digit",
        label=t(f"paint.source.{'upper' if upper else 'digit'}_label"),
        hint=t(f"paint.source.{'upper' if upper else 'digit'}_hint"),
        under=None if guide is None else inputs.guide_png(guide),
    )
    if upper:
        st.caption(t("paint.source.upper_how"))
    if ink is None:
        return None
    given = inputs.drawn_digit(info.name, ink, centred=not upper)
    return Chosen(given, ("own", hashlib.blake2b(ink.tobytes(), digest_size=8).hexdigest()))
