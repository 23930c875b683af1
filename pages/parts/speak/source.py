"""The picker of a recording: one of a data set, a file, or the microphone."""

from __future__ import annotations

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from genmodels import data
from genmodels.data import DataConfig
from genmodels.data.formats import audio_files
from genmodels.service.speak import sound
from genmodels.service.speak.sound import Sound
from pages.components import address, missing_data, source_picker, upload_limits
from pages.components.i18n import t
from pages.components.input_address import Input
from pages.components.theme import friendly_errors, plain

_MAX_MB = 20
_SPEECH = "fsdd"


def pick(part: str, config: DataConfig, rate: int, wanted: str = _SPEECH) -> Sound | None:
    """Show the picker and return the recording at `rate` samples per second; None, with a note, if there is none.

    If `config` is not the data set `wanted`, a note says that it replaces that set.
    """
    recording = None
    with friendly_errors():
        recording = source_picker.pick(
            "speak",
            "speak.source",
            {
                "example": lambda: _example(config, rate, wanted),
                "upload": lambda: _decoded(_upload(), rate),
                "microphone": lambda: _decoded(_microphone(), rate),
            },
            wrap=True,
        )
    address.write("speak", "recording", address_input().text())
    return recording


def address_input() -> Input:
    """The chosen recording in the address, by its number."""
    return Input("speak", "recording", "speak", "0", count=lambda: sound.test_count(sound.recordings_config()))


def _example(config: DataConfig, rate: int, wanted: str) -> Sound:
    title = data.get_spec(config).title
    if config.name != wanted:
        st.info(t("speak.source.substitute", data=title), icon=":material/music_note:")
        missing_data.offer_download(_SPEECH, "speak")
    count = sound.test_count(config)
    index = source_picker.example_index("speak", "speak.source", count, width=170, data=plain(title))
    return sound.at_rate(sound.test_recording(config, index), rate)


def _decoded(file: UploadedFile | None, rate: int) -> Sound | None:
    if file is not None:
        return sound.decoded(file.getvalue(), rate)
    st.info(t(f"speak.source.none_{source_picker.picked('speak')}"), icon=":material/mic:")
    return None


def _upload() -> UploadedFile | None:
    return source_picker.upload_file("speak", "speak.source", audio_files.SUFFIXES, seconds=f"{sound.MAX_SECONDS:g}")


def _microphone() -> UploadedFile | None:
    file = st.audio_input(
        t("speak.source.microphone"),
        key="speak_microphone",
        help=t("speak.source.microphone_help", seconds=f"{sound.MAX_SECONDS:g}"),
    )
    upload_limits.accept("speak_microphone", file, megabytes=_MAX_MB)
    return file
