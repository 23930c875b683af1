"""The images to translate: a bundled photograph, files, the camera, or a test image of the model's own data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePath

import streamlit as st

from genmodels.data.formats import image_files
from genmodels.data.sandbox import image_decoders
from genmodels.errors import DataError
from genmodels.runs.catalog import CheckpointInfo
from genmodels.service import translate
from genmodels.service.large_images import ImageFile
from genmodels.service.translate import inputs
from pages.components import assets, choice, missing_data, source_picker, upload_limits
from pages.components.assets import Asset
from pages.components.i18n import t
from pages.components.input_address import Input
from pages.components.theme import plain

_MILLIONS = image_decoders.SERVED_PIXELS // 1_000_000
_TOTAL_MB = 256  # of all files: twelve of a camera's largest files


_PHOTOGRAPHS: dict[str, frozenset[str]] = {
    "dahlia.jpg": frozenset({"sunflower", "sunflowers"}),
    "pagoda.jpg": frozenset(),
    "astronaut.jpg": frozenset(),
}
"""Bundled photographs, each with the domains for which it can stand; without one it is changed little."""


def enter(info: CheckpointInfo) -> None:
    """Forget the direction and the offered images of a model of other domains; what a visitor brought stays."""
    memory, domains = st.session_state, translate.domains(info)
    if memory.get("translate_domains", domains) != domains:
        memory.pop("translate_direction", None)
        if memory.get("translate_source") in ("bundled", "example"):
            del memory["translate_source"]
    memory.translate_domains = domains


def first_domain(info: CheckpointInfo) -> int:
    """The domain (0 is A, 1 is B) of the bundled photograph that the page opens with; 0 without one."""
    fitting = [index for index, name in enumerate(translate.domains(info)) for known in _fitting(info) if name in known]
    return fitting[0] if fitting else 0


def uploads(info: CheckpointInfo, domain: int) -> list[ImageFile]:
    """Show the pickers and return the chosen images, at most twelve, with a note if there are more or none.

    The page opens with a bundled photograph that fits the model, else with a test image.
    """
    sources: dict[source_picker.Source, Callable[[], list[ImageFile]]] = {
        "upload": _files,
        "camera": _photograph,
        "example": lambda: _test(info, domain),
    }
    if _sees_colours(info):
        sources = {"bundled": lambda: _bundled(info), **sources}
    default: source_picker.Source = "bundled" if _fitting(info) else "example"
    return source_picker.pick("translate", "translate", sources, default=default)


def address_input(info: CheckpointInfo, domain: int) -> Input:
    """The chosen image in the address; 0, 1, ... are test images of `domain`."""
    named = {PurePath(file).stem: file for file in _PHOTOGRAPHS} if _sees_colours(info) else {}
    default = next(iter(named)) if _fitting(info) else "0"

    def count() -> int:
        try:
            return inputs.test_count(info.name, domain)
        except DataError:
            return 0

    return Input("translate", "image", "translate", default, named, pick="translate_bundled", count=count)


def bundled(file: ImageFile) -> Asset | None:
    """The bundled photograph that a file is, or None."""
    return assets.assets().get(file.name) if source_picker.picked("translate") == "bundled" else None


def _sees_colours(info: CheckpointInfo) -> bool:
    return info.image_shape is not None and info.image_shape[0] == 3


def _fitting(info: CheckpointInfo) -> list[frozenset[str]]:
    """The domains of the bundled photographs that fit the model."""
    domains = set(translate.domains(info))
    return [known for known in _PHOTOGRAPHS.values() if known & domains] if _sees_colours(info) else []


def _bundled(info: CheckpointInfo) -> list[ImageFile]:
    chosen = choice.choose(
        t("translate.bundled"),
        list(_PHOTOGRAPHS),
        lambda name: assets.asset(name).title,
        key="translate_bundled",
        help=t("translate.bundled_help"),
        persist_state="session",
    )
    if not _fitting(info):
        first, second = map(plain, translate.domains(info))
        st.caption(t("translate.bundled_other", first=first, second=second))
    return [ImageFile(chosen, assets.asset(chosen).read())]


def _photograph() -> list[ImageFile]:
    taken = source_picker.take_photograph("translate", "translate", megabytes=translate.MAX_MB)
    return [] if taken is None else [taken]


def _files() -> list[ImageFile]:
    files = st.file_uploader(
        t("translate.file"),
        [suffix.removeprefix(".") for suffix in image_files.SUFFIXES],
        accept_multiple_files=True,
        key="translate_upload",
        help=t("translate.file_help", count=translate.MAX_IMAGES, megabytes=translate.MAX_MB, millions=_MILLIONS),
        max_upload_size=translate.MAX_MB,
    )
    upload_limits.accept(
        "translate_upload",
        files,
        megabytes=translate.MAX_MB,
        files=translate.MAX_IMAGES,
        total_megabytes=_TOTAL_MB,
    )
    if len(files) > translate.MAX_IMAGES:
        st.warning(t("translate.too_many", count=len(files), most=translate.MAX_IMAGES), icon=":material/filter_9:")
    return [ImageFile(file.name, file.getvalue()) for file in files[: translate.MAX_IMAGES]]


def _test(info: CheckpointInfo, domain: int) -> list[ImageFile]:
    try:
        count = inputs.test_count(info.name, domain)
    except DataError as error:
        missing_data.explain(info, "translate", missing_data.missing_text(info, "translate.no_data"), str(error))
        st.button(
            t("translate.upload_instead"),
            key="translate_bring",
            icon=":material/upload:",
            on_click=st.session_state.__setitem__,
            args=("translate_source", "upload"),
            help=t("translate.upload_instead_help"),
        )
        return []
    name = plain(translate.domains(info)[domain])
    index = source_picker.example_index("translate", "translate", count, domain=name)
    return [inputs.test_image(info.name, domain, index)]
