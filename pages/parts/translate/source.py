"""The images to translate: files, a photograph from the camera, or a test image of the model's own data."""

from __future__ import annotations

import streamlit as st

from genmodels.data.formats import image_files
from genmodels.data.sandbox import image_decoders
from genmodels.errors import DataError
from genmodels.runs.catalog import CheckpointInfo
from genmodels.service import translate
from genmodels.service.large_images import ImageFile
from genmodels.service.translate import inputs
from pages.components import missing_data, source_picker, upload_limits
from pages.components.i18n import t
from pages.components.theme import plain

_MILLIONS = image_decoders.SERVED_PIXELS // 1_000_000
_TOTAL_MB = 256  # of all files: twelve of a camera's largest files


def uploads(info: CheckpointInfo, domain: int) -> list[ImageFile]:
    """Show the pickers and return the chosen images, at most twelve, with a note if there are more or none."""
    return source_picker.pick(
        "translate", "translate", {"upload": _files, "camera": _photograph, "example": lambda: _test(info, domain)}
    )


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
        return []
    name = plain(translate.domains(info)[domain])
    index = source_picker.example_index("translate", "translate", count, domain=name)
    return [inputs.test_image(info.name, domain, index)]
