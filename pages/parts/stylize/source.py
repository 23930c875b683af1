"""The content image and the style image: from a file, from the camera, or one that the studio offers."""

from __future__ import annotations

import streamlit as st

from genmodels.data.formats import image_files
from genmodels.errors import DataError
from genmodels.public import public_mode
from genmodels.service import stylize
from genmodels.service.large_images import ImageFile
from genmodels.service.stylize import inputs
from genmodels.service.stylize.inputs import Kind
from pages.components import choice, upload_limits
from pages.components.i18n import t
from pages.components.theme import error_box, friendly_errors, message, plain
from pages.components.tiles import Tile, row

_SOURCES: dict[Kind, tuple[str, ...]] = {
    "photograph": ("offered", "upload", "camera"),
    "painting": ("offered", "upload"),
}


def content() -> ImageFile | None:
    """Show the pickers of the content image and return it; None if there is none or it cannot be used."""
    return _pick("photograph", "content")


def style() -> ImageFile | None:
    """Show the pickers of the style image and return it; None if there is none or it cannot be used."""
    return _pick("painting", "style")


def _pick(kind: Kind, name: str) -> ImageFile | None:
    memory = st.session_state
    offered = inputs.available(kind)
    memory.setdefault(f"stylize_{name}_source", "offered" if offered else "upload")
    st.subheader(t(f"stylize.{name}.title"), anchor=False)
    source = st.segmented_control(
        t(f"stylize.{name}.source"),
        _SOURCES[kind],
        format_func=lambda source: t(f"stylize.{name}.sources.{source}"),
        required=True,
        key=f"stylize_{name}_source",
        help=t(f"stylize.{name}.source_help"),
        persist_state="session",
    )
    with friendly_errors():
        upload = _offered(kind, name, offered) if source == "offered" else _uploaded(name, str(source))
        if upload is not None and _show(name, upload):
            return upload
    return None


def _offered(kind: Kind, name: str, offered: dict[str, str]) -> ImageFile | None:
    if not offered:
        # A public server does not show what its owner can do about it.
        hint = "" if public_mode() else f" {message(inputs.how_to_get(kind).capitalize())}."
        st.info(f"{t(f'stylize.{name}.none')}{hint}", icon=":material/folder_off:")
        st.button(
            t(f"stylize.{name}.bring"),
            key=f"stylize_{name}_bring",
            icon=":material/upload:",
            on_click=st.session_state.__setitem__,
            args=(f"stylize_{name}_source", "upload"),
            help=t("stylize.bring_help"),
        )
        return None
    chosen = choice.choose(
        t(f"stylize.{name}.pick"),
        list(offered),
        offered.__getitem__,
        key=f"stylize_{name}_pick",
        help=t(f"stylize.{name}.pick_help"),
        persist_state="session",
    )
    return inputs.open_work(kind, chosen)


def _uploaded(name: str, source: str) -> ImageFile | None:
    if source == "camera":
        taken = st.camera_input(
            t("stylize.content.camera"), key=f"stylize_{name}_camera", help=t("stylize.content.camera_help")
        )
        upload_limits.accept(f"stylize_{name}_camera", taken, megabytes=stylize.MAX_MB)
        return None if taken is None else ImageFile(t("stylize.content.camera_name"), taken.getvalue())
    file = st.file_uploader(
        t(f"stylize.{name}.file"),
        [suffix.removeprefix(".") for suffix in image_files.SUFFIXES],
        key=f"stylize_{name}_upload",
        help=t("stylize.file_help", megabytes=stylize.MAX_MB, millions=image_files.SERVED_PIXELS // 1_000_000),
        max_upload_size=stylize.MAX_MB,
    )
    upload_limits.accept(f"stylize_{name}_upload", file, megabytes=stylize.MAX_MB)
    return None if file is None else ImageFile(file.name, file.getvalue())


def _show(name: str, upload: ImageFile) -> bool:
    try:
        small = stylize.thumbnail(upload)
    except DataError as error:
        error_box(str(error), t("stylize.refused", name=plain(upload.name[:60])))
        return False
    alt = t(f"stylize.{name}.alt", name=upload.name)
    row([Tile(small.image, "", alt, kind=small.kind)], width=round(220 * small.width / max(small.width, small.height)),
        key=f"stylize_{name}_shown", smooth=True)  # fmt: skip
    return True
