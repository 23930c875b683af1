"""A data set that is not on this machine: the note of a page whose model needs it, and its download."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import streamlit as st

import train_jobs
from genmodels import data
from genmodels.data import DataConfig, DataSpec, transfer, uploaded_sets
from genmodels.errors import GenmodelsError
from genmodels.runs.catalog import CheckpointInfo
from genmodels.runs.folder import RunFolder
from pages.components.i18n import t
from pages.components.theme import error_box, message, plain

_POLL_SECONDS = 0.5
_downloads = ThreadPoolExecutor(1, "download")  # one at a time: two sessions must not write the same files
_running: dict[str, _Download] = {}


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
    """Show the button `<page>_get_<name>` if the data set `name` is not here and can be downloaded.

    While it is being downloaded, show its progress and the button `<page>_cancel_<name>` instead.
    """
    config = DataConfig(name=name) if name in data.names() else uploaded_sets.config_of(name)
    problem = data.missing(config)
    if problem is None:
        _running.pop(name, None)
        return
    spec = data.get_spec(config)
    if not spec.download_mb:
        st.info(message(problem), icon=":material/folder_off:")
        return
    if (download := _running.get(name)) is not None:
        _progress(download, page)
        return
    if problem := st.session_state.pop(f"{page}_get_problem", ""):
        error_box(problem)
    st.button(
        t("common.download.button", title=plain(spec.title), mb=spec.download_mb),
        key=f"{page}_get_{name}",
        icon=":material/download:",
        help=t("common.download.help", root=data.data_root()),
        disabled=train_jobs.public_mode(),
        on_click=_start,
        args=(name, spec),
    )


def _start(name: str, spec: DataSpec) -> None:
    if name not in _running:
        _running[name] = _Download(name, spec)


class _Download:
    """A download of the whole server: every session sees it, and can cancel it."""

    def __init__(self, name: str, spec: DataSpec) -> None:
        self.name, self.title = name, spec.title
        self.total = spec.download_mb * 1e6
        self.received, self.cancelled = 0, False
        self.future = _downloads.submit(self._run)

    def cancel(self) -> None:
        """End it at its next block."""
        self.cancelled = True

    def _run(self) -> None:
        with transfer.watched(self._count):
            train_jobs.get_data(self.name)

    def _count(self, received: int) -> None:
        self.received += received
        if self.cancelled:
            raise transfer.DownloadCancelledError(f"the download of {self.title} was cancelled")


@st.fragment(run_every=_POLL_SECONDS)
def _progress(download: _Download, page: str) -> None:
    """Show how much has come and a button that cancels; at the end, show the page with the data."""
    if download.future.done():
        _running.pop(download.name, None)
        try:
            download.future.result()
            st.toast(t("common.download.done"), icon=":material/check:")
        except transfer.DownloadCancelledError:
            st.toast(t("common.download.cancelled"), icon=":material/cancel:")
        except GenmodelsError as error:
            st.session_state[f"{page}_get_problem"] = str(error)
        st.rerun()
    done, total = download.received / 1e6, download.total / 1e6
    text = t("common.download.busy", title=plain(download.title), done=done, total=total)
    st.progress(min(1.0, done / total), text)
    st.button(
        t("common.download.cancel"),
        key=f"{page}_cancel_{download.name}",
        icon=":material/close:",
        on_click=download.cancel,
        disabled=download.cancelled,
        help=t("common.download.cancel_help"),
    )
