"""The picker of a recording: one of a data set, a file, or the microphone."""

from __future__ import annotations

import streamlit as st

from genmodels import data
from genmodels.data import DataConfig
from genmodels.data.formats import audio_files
from genmodels.service.speak import sound
from genmodels.service.speak.sound import Sound
from pages.components import train_choice, upload_limits
from pages.components.i18n import t
from pages.components.number_field import whole_number
from pages.components.seed_input import set_random
from pages.components.theme import friendly_errors, plain

_SOURCES = ("real", "upload", "microphone")
_SUFFIXES = [suffix.removeprefix(".") for suffix in audio_files.SUFFIXES]
_MAX_MB = 20
_SPEECH = "fsdd"


def pick(part: str, config: DataConfig, rate: int, wanted: str = _SPEECH) -> Sound | None:
    """Show the picker and return the recording at `rate` samples per second; None, with a note, if there is none.

    If `config` is not the data set `wanted`, a note says that it replaces that set.
    """
    memory = st.session_state
    memory.setdefault("speak_source", _SOURCES[0])
    source = st.segmented_control(
        t("speak.source.pick"),
        _SOURCES,
        format_func=lambda name: t(f"speak.source.{name}"),
        required=True,
        key="speak_source",
        help=t("speak.source.pick_help"),
        wrap=True,
        persist_state="session",
    )
    with friendly_errors():
        if source == "real":
            if config.name != wanted:
                st.info(t("speak.source.stand_in", data=data.get_spec(config).title), icon=":material/music_note:")
                train_choice.offer(_SPEECH, "speak")
            return sound.at_rate(_real(config), rate)
        raw = _upload() if source == "upload" else _microphone()
        if raw is not None:
            return sound.decoded(raw, rate)
        st.info(t(f"speak.source.none_{source}"), icon=":material/mic:")
    return None


def _real(config: DataConfig) -> Sound:
    count = sound.test_count(config)
    row = st.container(horizontal=True, vertical_alignment="bottom")
    index = whole_number(
        t("speak.source.index"),
        0,
        count - 1,
        key="speak_index",
        place=row,
        help=t("speak.source.index_help", count=f"{count:,}", data=plain(data.get_spec(config).title)),
        width=170,
        persist_state="session",
    )
    row.button(
        t("speak.source.another"),
        key="speak_another",
        icon=":material/casino:",
        on_click=set_random,
        args=("speak_index", count),
        help=t("speak.source.another_help"),
    )
    return sound.test_recording(config, int(index))


def _upload() -> bytes | None:
    file = st.file_uploader(
        t("speak.source.file"),
        _SUFFIXES,
        key="speak_upload",
        help=t("speak.source.file_help", seconds=f"{sound.MAX_SECONDS:g}"),
        max_upload_size=_MAX_MB,
    )
    upload_limits.accept("speak_upload", file, megabytes=_MAX_MB)
    return None if file is None else file.getvalue()


def _microphone() -> bytes | None:
    file = st.audio_input(
        t("speak.source.speak"),
        key="speak_microphone",
        help=t("speak.source.speak_help", seconds=f"{sound.MAX_SECONDS:g}"),
    )
    upload_limits.accept("speak_microphone", file, megabytes=_MAX_MB)
    return None if file is None else file.getvalue()
