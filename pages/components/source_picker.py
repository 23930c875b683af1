"""Where a page's input comes from: a bundled file, an example of a data set, a canvas, files, camera or microphone.

In each function `key` begins the widget keys, `text` begins the keys of the texts, and `values` fill these texts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeVar

import numpy as np
import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from genmodels.service.large_images import ImageFile
from pages.components import choice, share, upload_limits
from pages.components.canvas import canvas
from pages.components.i18n import t
from pages.components.number_field import whole_number
from pages.components.seed_input import set_random

T = TypeVar("T")

Source = Literal["bundled", "example", "canvas", "upload", "camera", "microphone"]

_PERSONAL: tuple[Source, ...] = ("upload", "camera", "microphone")

_MAX_MB = 20  # of one file, if the page has no other limit


def pick(
    key: str, text: str, sources: Mapping[Source, Callable[[], T]], *, default: Source | None = None, **settings: Any
) -> T:
    """Show the choice `<key>_source`, then the widgets of the chosen source, and return what that source returns.

    A single source is used without a choice. `default` is the initial source, else it is the first; `settings` go to
    the widget of the choice.
    """
    if len(sources) == 1:
        (source,) = sources
        st.session_state[f"{key}_source"] = source
    else:
        source = choice.choose(
            t(f"{text}.source"),
            tuple(sources),
            lambda source: t(f"{text}.sources.{source}"),
            key=f"{key}_source",
            fallback=default,
            kind="segmented_control",
            help=t(f"{text}.source_help"),
            persist_state="session",
            **settings,
        )
    result = sources[source]()
    parts = result if isinstance(result, list | tuple) else [result]
    if source in _PERSONAL and any(part is not None for part in parts):
        share.leave_out("file")
    return result


def picked(key: str) -> Source | None:
    """The source chosen last with `pick(key, ...)`; None if there was no choice yet."""
    source: Source | None = st.session_state.get(f"{key}_source")
    return source


def example_index(
    key: str, text: str, count: int, *, width: int | None = None, help_text: str = "index_help", **values: str
) -> int:
    """Show the field `<key>_index` and the button `<key>_another` for a random one; return an index below `count`.

    With `width`, that of the field in pixels, both are in one row. `help_text` is the key of the field's help.
    """
    values |= {"count": f"{count:,}"}
    row = None if width is None else st.container(horizontal=True, vertical_alignment="bottom")
    index = whole_number(
        t(f"{text}.index", **values),
        0,
        count - 1,
        key=f"{key}_index",
        place=row,
        help=t(f"{text}.{help_text}", **values),
        persist_state="session",
        **({} if width is None else {"width": width}),
    )
    (row or st).button(
        t("common.another_example"),
        key=f"{key}_another",
        icon=":material/casino:",
        on_click=set_random,
        args=(f"{key}_index", count),
        help=t(f"{text}.another_help"),
    )
    return index


def draw_digit(key: str, example: np.ndarray | None = None) -> np.ndarray | None:
    """Show the canvas `<key>_canvas` for one digit and return its ink; None if nothing is drawn.

    `example` is the ink that it shows until the first stroke.
    """
    label, hint = t("common.canvas.digit"), t("common.canvas.digit_hint")
    ink = canvas(key=f"{key}_canvas", label=label, hint=hint, example=example)
    if ink is not None and ink is not example:
        share.leave_out("drawing")
    return ink


def upload_file(
    key: str, text: str, suffixes: Sequence[str], *, megabytes: int = _MAX_MB, **values: object
) -> UploadedFile | None:
    """Show the field `<key>_upload` for one file with one of `suffixes` and return the file."""
    file = st.file_uploader(
        t(f"{text}.file"),
        [suffix.removeprefix(".") for suffix in suffixes],
        key=f"{key}_upload",
        help=t(f"{text}.file_help", megabytes=megabytes, **values),
        max_upload_size=megabytes,
    )
    upload_limits.accept(f"{key}_upload", file, megabytes=megabytes)
    return file


def take_photograph(key: str, text: str, *, megabytes: int) -> ImageFile | None:
    """Show the camera `<key>_camera` and return the photograph that was taken."""
    file = st.camera_input(t(f"{text}.camera"), key=f"{key}_camera", help=t(f"{text}.camera_help"))
    upload_limits.accept(f"{key}_camera", file, megabytes=megabytes)
    return None if file is None else ImageFile(t("common.photograph_name"), file.getvalue())
