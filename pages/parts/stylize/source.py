"""The content image and the style image: from a file, from the camera, or one that the studio offers."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from genmodels.data.formats import image_files
from genmodels.data.sandbox import image_decoders
from genmodels.errors import DataError
from genmodels.public import public_mode
from genmodels.service import stylize
from genmodels.service.large_images import ImageFile
from genmodels.service.stylize import inputs
from genmodels.service.stylize.inputs import Kind
from pages.components import choice, source_picker
from pages.components.i18n import t
from pages.components.theme import error_box, friendly_errors, message, plain
from pages.components.tiles import Tile, row


def content() -> ImageFile | None:
    """Show the pickers of the content image and return it; None if there is none or it cannot be used."""
    return _pick("photograph", "content")


def style() -> ImageFile | None:
    """Show the pickers of the style image and return it; None if there is none or it cannot be used."""
    return _pick("painting", "style")


def _pick(kind: Kind, name: str) -> ImageFile | None:
    key, text = f"stylize_{name}", f"stylize.{name}"
    offered = inputs.available(kind)
    sources: dict[source_picker.Source, Callable[[], ImageFile | None]] = {
        "example": lambda: _example(kind, name, offered),
        "upload": lambda: _uploaded(key, text),
    }
    if kind == "photograph":
        sources["camera"] = lambda: source_picker.take_photograph(key, text, megabytes=stylize.MAX_MB)
    st.subheader(t(f"{text}.title"), anchor=False)
    with friendly_errors():
        image = source_picker.pick(key, text, sources, default="example" if offered else "upload")
        if image is not None and _show(name, image):
            return image
    return None


def _example(kind: Kind, name: str, offered: dict[str, str]) -> ImageFile | None:
    if not offered:
        # A public server does not show what its owner can do about it.
        hint = "" if public_mode() else f" {message(inputs.how_to_get(kind).capitalize())}."
        st.info(f"{t(f'stylize.{name}.none')}{hint}", icon=":material/folder_off:")
        source_picker.upload_instead(f"stylize_{name}", f"stylize.{name}")
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


def _uploaded(key: str, text: str) -> ImageFile | None:
    file = source_picker.upload_file(
        key,
        text,
        image_files.SUFFIXES,
        megabytes=stylize.MAX_MB,
        millions=image_decoders.SERVED_PIXELS // 1_000_000,
    )
    return None if file is None else ImageFile(file.name, file.getvalue())


def _show(name: str, image: ImageFile) -> bool:
    try:
        small = stylize.thumbnail(image)
    except DataError as error:
        error_box(str(error), t("stylize.refused", name=plain(image.name[:60])))
        return False
    alt = t(f"stylize.{name}.alt", name=image.name)
    row([Tile(small.image, "", alt, kind=small.kind)], width=round(220 * small.width / max(small.width, small.height)),
        key=f"stylize_{name}_shown", smooth=True)  # fmt: skip
    return True
