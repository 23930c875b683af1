"""The image given to the model: a test image by its number, or the visitor's own drawing."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable
from dataclasses import dataclass

import streamlit as st

from genmodels.runs.catalog import CheckpointInfo
from genmodels.service.paint import inputs
from genmodels.service.paint.inputs import KnownImage
from pages.components import share, source_picker
from pages.components.canvas import canvas
from pages.components.i18n import t
from pages.components.input_address import Input
from pages.components.theme import plain


@dataclass(frozen=True)
class Chosen:
    """The image, and a key that identifies it."""

    image: KnownImage
    key: Hashable


def choose(info: CheckpointInfo, *, guide: int | None = None) -> Chosen | None:
    """Show the controls and return the chosen image, or None.

    With `guide` the visitor draws the first `guide` rows in place; else a whole digit, which is centred as in MNIST.
    """
    count = inputs.test_count(info.name)
    sources: dict[source_picker.Source, Callable[[], Chosen | None]] = {}
    if count:
        sources["example"] = lambda: _test_image(info, count)
    if inputs.accepts_drawings(info.name):
        sources["canvas"] = lambda: _from_canvas(info, guide)
    if not sources:
        st.info(t("paint.source.none"), icon=":material/photo_library:")
        st.page_link("data.py", label=t("paint.source.none_link"), icon=":material/arrow_forward:")
        return None
    return source_picker.pick("paint", "paint.source", sources)


def _test_image(info: CheckpointInfo, count: int) -> Chosen:
    data = inputs.test_data(info.name)
    index = source_picker.example_index(
        "paint",
        "paint.source",
        count,
        width=150,
        help_text="index_help" if inputs.unseen(info.name) else "other_index_help",
        data="" if data is None else plain(data.title),
    )
    return Chosen(inputs.test_image(info.name, index), ("example", index))


def address_input(info: CheckpointInfo) -> Input:
    """The chosen image in the address: the number of a test image, or the canvas."""
    return Input(
        "paint",
        "image",
        "paint",
        "0",
        count=lambda: inputs.test_count(info.name),
        canvas=inputs.accepts_drawings(info.name),
    )


def is_canvas(info: CheckpointInfo) -> bool:
    """Whether the chosen source is the canvas."""
    return inputs.accepts_drawings(info.name) and source_picker.picked("paint") == "canvas"


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
    share.leave_out("drawing")
    image = inputs.drawn_digit(info.name, ink, centred=not upper)
    return Chosen(image, ("canvas", hashlib.blake2b(ink.tobytes(), digest_size=8).hexdigest()))
