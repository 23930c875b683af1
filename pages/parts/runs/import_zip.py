"""Import a downloaded run, in this studio or another copy of it."""

from __future__ import annotations

import streamlit as st

import train_jobs
from genmodels.errors import GenmodelsError
from pages.components import upload_limits
from pages.components.i18n import t
from pages.components.theme import error_box
from train_jobs.importing import MAX_ZIP_BYTES


def show() -> None:
    """Show the uploader; after the import the page shows the run. A public server has none."""
    if train_jobs.public_mode():
        return
    with st.expander(t("runs.import.title"), icon=":material/upload:", key="runs_import"):
        # A new key after each import empties the uploader, which holds the file in memory.
        number = st.session_state.setdefault("runs_import_round", 0)
        key = f"runs_import_file_{number}"
        megabytes = min(MAX_ZIP_BYTES >> 20, st.get_option("server.maxUploadSize"))
        file = st.file_uploader(t("runs.import.file"), ["zip"], key=key, help=t("runs.import.help", mb=megabytes))
        upload_limits.accept(key, file, megabytes=megabytes)
        clicked = st.button(
            t("runs.import.do"),
            key="runs_import_do",
            icon=":material/upload:",
            help=t("runs.import.do_help"),
            disabled=file is None,
        )
        if not clicked or file is None:
            return
        try:
            with st.spinner(t("runs.import.running")):
                job = train_jobs.import_run(file)
        except GenmodelsError as error:
            error_box(str(error))
            return
    st.session_state["runs_import_round"] = number + 1
    st.session_state["runs_opened"] = job.id
    st.rerun()
