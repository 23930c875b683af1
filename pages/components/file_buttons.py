"""Buttons that download a file, which is made on the click and contains the view that it shows.

In each function `text` is the key of the label, and `<text>_help` that of the help.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from pages.components.i18n import t
from pages.components.share import with_view
from pages.components.waiting import in_queue


def png_button(
    text: str,
    png: Callable[[], bytes] | bytes,
    file_name: str,
    *,
    key: str,
    place: DeltaGenerator | None = None,
    help_text: str | None = None,
    values: Mapping[str, str | None] | None = None,
) -> None:
    """Show the button for a PNG in `place`; `help_text` is the key of another help, `values` are for `with_view`."""
    (place or st).download_button(
        t(text),
        with_view(png, values),
        file_name,
        "image/png",
        key=key,
        icon=":material/download:",
        on_click="ignore",
        help=t(help_text or f"{text}_help"),
    )


def gif_button(text: str, make: Callable[[], bytes], file_name: str, *, key: str, place: DeltaGenerator) -> None:
    """Show the button for a GIF in `place`; it is made as background work of this session."""
    place.download_button(
        t(text),
        in_queue(with_view(make)),
        file_name,
        "image/gif",
        key=key,
        icon=":material/animation:",
        on_click="ignore",
        help=t(f"{text}_help"),
    )
