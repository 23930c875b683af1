"""What can be done with a run: stop, resume, save, turn a knob, rename, download, publish, delete."""

from __future__ import annotations

import os
import tempfile
import zipfile
from collections.abc import Callable
from functools import partial
from typing import Any, BinaryIO

import streamlit as st

import train_jobs
from genmodels import catalog, registry
from genmodels.checkpoint import RESUME
from genmodels.errors import GenmodelsError
from genmodels.recipes import Spec
from genmodels.runfolder import RESUME_JSON
from pages.components import config_form, run_publish
from pages.components.i18n import t
from pages.components.theme import error_box, friendly_errors, plain
from train_jobs import Job
from train_jobs.api import refuse_in_public_mode


def main(job: Job) -> None:
    """The buttons that belong to the run's state."""
    if train_jobs.public_mode():
        st.caption(t("runs.public"))
    with st.container(horizontal=True, vertical_alignment="center"):
        if job.active:
            _button(job, "stop", lambda: train_jobs.stop(job.id), icon=":material/stop_circle:")
        if job.state == "RUNNING" and _button(
            job,
            "save",
            partial(train_jobs.request, job.id, "save"),
            icon=":material/save:",
            ready=job.phase == "training",
        ):
            st.toast(t("runs.save_asked"), icon=":material/save:")
        if job.state in ("STOPPED", "FAILED"):
            _button(job, "resume", lambda: train_jobs.resume(job.id), icon=":material/play_circle:")
        latent_dim = _latent_dim(job)
        if latent_dim is not None:
            key = "latent" if latent_dim else "constant_steps"  # a constant input has nothing to explore
            st.page_link(
                "latent.py",
                label=t(f"runs.{key}"),
                icon=":material/open_with:" if latent_dim else ":material/history:",
                help=t(f"runs.{key}_help"),
                query_params={"model": catalog.id_of(job.folder.path)},
            )


def _clicked(name: str, job: Job, label: str, **settings: Any) -> bool:
    """A button, keyed `runs_<name>`, whose click counts only for the run that it was drawn for.

    The page may have gone to another run between drawing and click: the run was deleted elsewhere.
    """
    clicked = st.button(label, key=f"runs_{name}", on_click=_note_click, args=(name, job.id), **settings)
    if clicked and st.session_state[f"runs_clicked_{name}"] != job.id:
        st.warning(t("runs.not_this_run"), icon=":material/block:")
        return False
    return clicked


def _note_click(name: str, job_id: str) -> None:
    st.session_state[f"runs_clicked_{name}"] = job_id


def _button(job: Job, name: str, act: Callable[[], Any], *, icon: str, ready: bool = True) -> bool:
    """A button that does something to the run; the page is drawn again where that worked, the cause shown where not."""
    clicked = _clicked(
        name,
        job,
        t(f"runs.{name}"),
        help=t(f"runs.{name}_help") if ready else t("runs.not_yet"),
        icon=icon,
        disabled=train_jobs.public_mode() or not ready,
    )
    if not clicked:
        return False
    with friendly_errors():
        act()
        if name in ("stop", "resume"):
            st.rerun()
        return True
    return False


def _latent_dim(job: Job) -> int | None:
    """Of a run that can be explored; None if it has no latent space or has not saved yet."""
    if not job.folder.steps():
        return None
    try:
        info = catalog.describe(job.folder.path)
    except GenmodelsError:
        return None  # a damaged run; its state says why
    return (info.latent_dim or 0) if "latent" in info.capabilities else None


# --------------------------------------------------------------------------- knobs

_KNOBS_A_ROW = 4


def knobs(job: Job, spec: Spec) -> None:
    """The live settings of a running model, as number inputs."""
    settings = registry.config_class(spec.model)
    fields = [field for field in config_form.fields_of(settings) if field.live]
    if job.state != "RUNNING" or not fields or train_jobs.public_mode():
        return
    ready = job.phase == "training"
    current = train_jobs.settings_now(job)
    reset = st.session_state.get("runs_knobs_of") != job.id
    st.session_state["runs_knobs_of"] = job.id
    with st.expander(t("runs.knobs"), icon=":material/tune:", key="runs_knobs"), friendly_errors():
        st.caption(t("runs.knobs_help") if ready else t("runs.not_yet"))
        entered = {}
        cells = [
            cell for _ in range(0, len(fields), _KNOBS_A_ROW) for cell in st.columns(min(len(fields), _KNOBS_A_ROW))
        ]
        for cell, field in zip(cells, fields, strict=False):
            with cell:
                entered[field.name] = config_form.widget(
                    field,
                    f"runs_knob_{field.name}",
                    current[field.name],
                    field.help("model"),
                    reset=reset,
                    disabled=not ready,
                )
        wrong = config_form.problems("model", fields, entered)
        if wrong:
            error_box("  \n".join(wrong), t("runs.apply_wrong"))
        if _clicked(
            "apply",
            job,
            t("runs.apply"),
            help=t("runs.apply_help"),
            icon=":material/check:",
            disabled=not ready or bool(wrong),
        ):
            changed = train_jobs.turn(job.id, entered)
            text = ", ".join(f"{name} = {new:g}" for name, (_, new) in changed.items())
            st.toast(t("runs.applied", changes=text) if changed else t("runs.nothing_changed"))


# --------------------------------------------------------------------------- manage


def manage(job: Job) -> None:
    """What changes or copies the run as a whole."""
    with st.expander(t("runs.manage"), icon=":material/inventory_2:", key="runs_manage"):
        left, right = st.columns(2, gap="large")
        with left:
            _rename(job)
            run_publish.show(job)
        with right:
            _download(job)
            _delete(job)


def _rename(job: Job) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.text_input(
            t("runs.rename"), job.name, key=f"runs_name_{job.id}", max_chars=80, help=t("runs.rename_help")
        )
        clicked = _clicked(
            "rename", job, t("runs.rename_do"), help=t("runs.rename_help"), disabled=train_jobs.public_mode()
        )
    if clicked:
        with friendly_errors():
            train_jobs.rename(job.id, name)
            st.rerun()


def _download(job: Job) -> None:
    if train_jobs.public_mode():
        return
    with_resume = st.toggle(t("runs.with_resume"), key="runs_with_resume", help=t("runs.with_resume_help"))
    skip = () if with_resume else (RESUME, RESUME_JSON)
    size = 0
    for path in job.folder.files():
        try:
            size += 0 if path.name in skip else path.stat().st_size
        except FileNotFoundError:
            continue  # an old checkpoint, removed in this moment
    st.download_button(
        t("runs.download", name=plain(job.id), mb=size / 1e6),
        lambda: _pack(job, skip),
        f"{job.id}.zip",
        "application/zip",
        key="runs_download",
        help=t("runs.download_help"),
        icon=":material/download:",
        on_click="ignore",
    )


def _pack(job: Job, skip: tuple[str, ...]) -> BinaryIO:
    """The run folder as a zip in a temporary file that vanishes when it is closed. Raises PublicModeError.

    On disk, so that memory holds the archive once: as the bytes that Streamlit serves until the page runs again.
    Streamlit takes a BufferedReader, but not the object that `TemporaryFile` returns.
    """
    refuse_in_public_mode("downloading a run")
    with tempfile.TemporaryFile() as target:
        # Not strict: a machine without a battery writes files of 1970, which the format cannot date.
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, strict_timestamps=False) as archive:
            for path in job.folder.files():
                if path.name in skip:
                    continue
                try:
                    archive.write(path, f"{job.id}/{path.relative_to(job.folder.path)}")
                except FileNotFoundError:
                    continue  # an old checkpoint, removed while the archive was written
        target.seek(0)
        return os.fdopen(os.dup(target.fileno()), "rb")


def _delete(job: Job) -> None:
    if job.state == "RUNNING":
        return
    if st.session_state.get("runs_deleting") != job.id:
        if _clicked(
            "delete",
            job,
            t("runs.delete"),
            help=t("runs.delete_help"),
            icon=":material/delete:",
            disabled=train_jobs.public_mode(),
        ):
            st.session_state["runs_deleting"] = job.id
            st.rerun()
        return
    # Another run may have the same name, or this name as its id.
    name = plain(job.name if job.name == job.id else t("common.told_apart", text=job.name, id=job.id))
    st.warning(t("runs.delete_sure", name=name), icon=":material/warning:")
    with st.container(horizontal=True):
        sure = _clicked(
            "delete_confirm",
            job,
            t("runs.delete_confirm", name=name),
            help=t("runs.delete_confirm_help"),
            type="primary",
        )
        kept = st.button(t("runs.delete_cancel"), key="runs_delete_cancel", help=t("runs.delete_cancel_help"))
    if sure:
        with friendly_errors():
            train_jobs.delete(job.id)
            st.session_state.pop("runs_deleting", None)
            st.query_params.pop("run", None)
            st.session_state.pop("runs_shown", None)
            st.rerun()
    if kept:
        st.session_state.pop("runs_deleting", None)
        st.rerun()
