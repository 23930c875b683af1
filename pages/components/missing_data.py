"""The note of a page whose model needs a data set that is not on this machine, with a download button."""

from __future__ import annotations

import streamlit as st

import train_jobs
from genmodels import data
from genmodels.data import DataConfig
from genmodels.runs.catalog import CheckpointInfo
from genmodels.runs.folder import RunFolder
from pages.components import train_choice
from pages.components.i18n import t
from pages.components.theme import message, plain


def explain(info: CheckpointInfo, page: str, text: str, problem: str = "") -> None:
    """Show `text` in a box and, if the set can be downloaded, a button with the key `<page>_get_<data set>`.

    If it cannot be downloaded, `problem` is added. It may name folders of this machine, so a public server omits it.
    """
    name = RunFolder(info.path).spec().data.name
    downloadable = name in data.names() and bool(data.get_spec(DataConfig(name=name)).download_mb)
    hint = "" if downloadable or not problem or train_jobs.public_mode() else f" {message(problem)}"
    st.info(f"{text}{hint}", icon=":material/folder_off:")
    if downloadable:
        train_choice.offer(name, page)


def missing_text(info: CheckpointInfo, key: str) -> str:
    """The text `key`, which says what the page needs the data set {data} for."""
    return t(key, data=plain(info.data))
