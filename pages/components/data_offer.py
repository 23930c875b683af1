"""What a page says if a model's data set is not on this machine: which one, and a button that fetches it."""

from __future__ import annotations

import streamlit as st

import train_jobs
from genmodels import data
from genmodels.catalog import CheckpointInfo
from genmodels.data import DataConfig
from genmodels.runfolder import RunFolder
from pages.components import train_choice
from pages.components.i18n import t
from pages.components.theme import message, plain


def explain(info: CheckpointInfo, page: str, text: str, problem: str = "") -> None:
    """`text` in a box and, if the set can be downloaded, a button keyed `<page>_get_<data set>`.

    `problem`, which may name folders of this machine, is added if nothing can be downloaded; visitors never see it.
    """
    name = RunFolder(info.path).spec().data.name
    can_fetch = name in data.names() and bool(data.get_spec(DataConfig(name=name)).download_mb)
    hint = "" if can_fetch or not problem or train_jobs.public_mode() else f" {message(problem)}"
    st.info(f"{text}{hint}", icon=":material/folder_off:")
    if can_fetch:
        train_choice.offer(name, page)


def missing_text(info: CheckpointInfo, key: str) -> str:
    """The text of `key`, which says for what a page needs the data called {data}."""
    return t(key, data=plain(info.data))
