"""The content image and the style image: from a file, from the camera, or one that the studio offers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePath

import streamlit as st

from genmodels.data.formats import image_files
from genmodels.data.sandbox import image_decoders
from genmodels.errors import DataError
from genmodels.service import stylize
from genmodels.service.large_images import ImageFile
from genmodels.service.stylize import inputs
from genmodels.service.stylize.inputs import Kind
from pages.components import assets, choice, source_picker
from pages.components.i18n import t
from pages.components.input_address import Input
from pages.components.theme import error_box, friendly_errors, plain
from pages.components.tiles import Tile, row


def content() -> ImageFile | None:
    """Show the pickers of the content image and return it; None if there is none or it cannot be used."""
    return _pick("photograph")


def style() -> ImageFile | None:
    """Show the pickers of the style image and return it; None if there is none or it cannot be used."""
    return _pick("painting")


_NAMES: dict[Kind, str] = {"photograph": "content", "painting": "style"}
_PARAMETERS: dict[Kind, str] = {"photograph": "image", "painting": "style"}
_BUNDLED: dict[Kind, tuple[str, ...]] = {
    "photograph": ("pagoda.jpg", "astronaut.jpg", "dahlia.jpg"),
    "painting": ("starry_night_google.jpg", "the_scream.jpg", "shipwreck.jpg"),
}


def _pick(kind: Kind) -> ImageFile | None:
    name = _NAMES[kind]
    key, text = f"stylize_{name}", f"stylize.{name}"
    sources: dict[source_picker.Source, Callable[[], ImageFile | None]] = {
        "example": lambda: _example(kind, name),
        "upload": lambda: _uploaded(key, text),
    }
    if kind == "photograph":
        sources["camera"] = lambda: source_picker.take_photograph(key, text, megabytes=stylize.MAX_MB)
    address_input(kind).read()
    st.header(t(f"{text}.title"), anchor=False)
    with friendly_errors():
        image = source_picker.pick(key, text, sources)
        if image is not None and _show(name, image):
            return image
    return None


def address_input(kind: Kind) -> Input:
    """The chosen image in the address, by its name."""
    named = {PurePath(file).stem: file for file in _BUNDLED[kind]} | {name: name for name in inputs.available(kind)}
    default = next(PurePath(file).stem for file in _titles(kind))
    key = f"stylize_{_NAMES[kind]}"
    return Input("stylize", _PARAMETERS[kind], key, default, named, "example", f"{key}_pick")


def _titles(kind: Kind) -> dict[str, str]:
    """The titles of the user's own works and of the bundled ones; of two with the same name the user's."""
    own = inputs.available(kind)
    return own | {file: assets.asset(file).title for file in _BUNDLED[kind] if PurePath(file).stem not in own}


def _example(kind: Kind, name: str) -> ImageFile:
    """Show the picker of the user's own works and the bundled ones."""
    titles = _titles(kind)
    chosen = choice.choose(
        t(f"stylize.{name}.pick"),
        list(titles),
        titles.__getitem__,
        key=f"stylize_{name}_pick",
        help=t(f"stylize.{name}.pick_help"),
        persist_state="session",
    )
    if chosen not in _BUNDLED[kind]:
        return inputs.open_work(kind, chosen)
    st.caption(assets.asset(chosen).credit())
    return ImageFile(chosen, assets.asset(chosen).read())


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
