"""Files of endpoints: an upload is handed on as bytes that nothing has decoded; a result is a PNG or WAV file.

Gradio's components decode an upload in the server's process, so events are registered with `preprocess=False`, and the
services decode it, in the sandbox.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NewType
from urllib.parse import unquote

import gradio as gr
from gradio import processing_utils
from gradio.utils import get_upload_folder
from gradio_client.utils import is_http_url_like

from genmodels.errors import DataError
from gradio_tabs.components.texts import t

MAX_UPLOAD_BYTES = 8 * 2**20
"""Largest upload; a photograph of a phone has 2 to 6 MB."""

Upload = NewType("Upload", bytes)
"""An image file as it was uploaded."""
Png = NewType("Png", bytes)
"""An image, as PNG."""
Wav = NewType("Wav", bytes)
"""A recording, as WAV."""
_SERVED = "/gradio_api/file="
_NAMES = {Png: "image.png", Wav: "speech.wav"}


def check_upload(file: dict[str, Any]) -> dict[str, Any]:
    """The description of a file that a client sent; raises DataError unless it was uploaded to this server before.

    The address of a file that this server serves, which agents send, stands for that file; no address is fetched.
    """
    path = str(file.get("path") or "")
    if is_http_url_like(path) and _SERVED in path:
        path = unquote(path.split(_SERVED, 1)[1])
    if is_http_url_like(path):
        raise DataError(t("common.error.address"))
    if not Path(path).resolve().is_relative_to(Path(get_upload_folder()).resolve()):
        raise DataError(t("common.error.not_uploaded"))
    return {**file, "path": path}


def read_upload(file: Any, name: str) -> Upload:
    """The bytes of an uploaded file, which `check_upload` has checked; raises DataError if there is none."""
    path = file.get("path") if isinstance(file, dict) else None
    if not isinstance(path, str):
        raise DataError(t("common.error.no_file", name=name))
    try:
        if Path(path).stat().st_size > MAX_UPLOAD_BYTES:
            raise DataError(t("common.error.file_size", megabytes=MAX_UPLOAD_BYTES >> 20))
        return Upload(Path(path).read_bytes())
    except OSError as error:
        raise DataError(t("common.error.not_uploaded")) from error


def stored(kind: Any, content: bytes) -> str:
    """The path of a new file with a result of type Png or Wav, in the folder that Gradio serves."""
    return str(processing_utils.save_bytes_to_cache(content, _NAMES[kind], get_upload_folder()))


def image_output(label: str, **arguments: Any) -> gr.Image:
    """A component for a result of type Png; without Gradio's button that sends it to another host."""
    return gr.Image(
        type="filepath",
        format="png",
        interactive=False,
        buttons=["download", "fullscreen"],
        label=label,
        alt_text=label,
        **arguments,
    )


def image_input(label: str, value: str | None = None) -> gr.Image:
    """A component for an uploaded image; an event's function gets its bytes."""
    return gr.Image(
        value,
        type="filepath",
        buttons=["fullscreen"],
        label=label,
        alt_text=label,
        elem_classes="upload",
    )
