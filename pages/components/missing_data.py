"""A data set that is not on this machine: the note of a page whose model needs it, and the download button."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import streamlit as st

import train_jobs
from genmodels import data
from genmodels.data import DataConfig, uploaded_sets
from genmodels.errors import GenmodelsError
from genmodels.runs.catalog import CheckpointInfo
from genmodels.runs.folder import RunFolder
from pages.components.i18n import t
from pages.components.theme import error_box, message, plain

_downloads = ThreadPoolExecutor(1, "download")  # one at a time: two sessions must not write the same files


def explain(info: CheckpointInfo, page: str, text: str, problem: str = "") -> None:
    """Show `text` in a box and, if the set can be downloaded, a button with the key `<page>_get_<data set>`.

    If it cannot be downloaded, `problem` is added. It may name folders of this machine, so a public server omits it.
    """
    name = RunFolder(info.path).spec().data.name
    downloadable = name in data.names() and bool(data.get_spec(DataConfig(name=name)).download_mb)
    hint = "" if downloadable or not problem or train_jobs.public_mode() else f" {message(problem)}"
    st.info(f"{text}{hint}", icon=":material/folder_off:")
    if downloadable:
        offer_download(name, page)


def missing_text(info: CheckpointInfo, key: str) -> str:
    """The text `key`, which says what the page needs the data set {data} of {licence} for."""
    return t(key, data=plain(info.data), licence=plain(info.licence.strip(".")))


def offer_download(name: str, page: str) -> None:
    """Show the button `<page>_get_<name>` if the data set `name` is not here and can be downloaded."""
    config = DataConfig(name=name) if name in data.names() else uploaded_sets.config_of(name)
    problem = data.missing(config)
    if problem is None:
        return
    spec = data.get_spec(config)
    if not spec.download_mb:
        st.info(message(problem), icon=":material/folder_off:")
        return
    if st.button(
        t("common.download.button", title=plain(spec.title), mb=spec.download_mb),
        key=f"{page}_get_{name}",
        icon=":material/download:",
        help=t("common.download.help", root=data.data_root()),
        disabled=train_jobs.public_mode(),
    ):
        with st.spinner(t("common.download.busy", title=plain(spec.title))):
            try:
                _downloads.submit(train_jobs.get_data, name).result()
            except GenmodelsError as error:
                error_box(str(error))
                return
        st.toast(t("common.download.done"), icon=":material/check:")
        st.rerun()
