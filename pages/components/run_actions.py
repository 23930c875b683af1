"""Actions on a run: stop, resume, save, change live settings, rename, download, publish, delete."""

from __future__ import annotations

import os
import tempfile
import zipfile
from collections.abc import Callable
from functools import partial
from typing import Any, BinaryIO

import streamlit as st

import train_jobs
from genmodels import registry
from genmodels.errors import GenmodelsError
from genmodels.recipes import Spec
from genmodels.runs import catalog
from genmodels.runs.checkpoint import RESUME
from genmodels.runs.folder import RESUME_JSON
from pages.components import config_form, run_publish, trainable
from pages.components.i18n import t
from pages.components.theme import error_box, friendly_errors, plain
from train_jobs import Job
from train_jobs.api import refuse_in_public_mode


def main(job: Job) -> None:
    """Show the buttons for the run's state."""
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
            st.toast(t("runs.save_requested"), icon=":material/save:")
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

        again = _query_to_train(job)
        if again:
            st.page_link(
                "train.py",
                label=t("runs.again"),
                icon=":material/replay:",
                help=t("runs.again_help"),
                query_params=again,
            )


def _query_to_train(job: Job) -> dict[str, str] | None:
    """The parameters that fill the Train page with the run's settings; None if it cannot be trained there."""
    try:
        return trainable.query(job.folder.spec())
    except GenmodelsError:
        return None  # a damaged run; its state shows the cause


def _clicked(name: str, job: Job, label: str, **settings: Any) -> bool:
    """Show the button `runs_<name>` and return whether it was clicked for this run.

    A click for another run is refused: that run was shown before and was deleted elsewhere in the meantime.
    """
    clicked = st.button(label, key=f"runs_{name}", on_click=_note_click, args=(name, job.id), **settings)
    if clicked and st.session_state[f"runs_clicked_{name}"] != job.id:
        st.warning(t("runs.not_this_run"), icon=":material/block:")
        return False
    return clicked


def _note_click(name: str, job_id: str) -> None:
    st.session_state[f"runs_clicked_{name}"] = job_id


def _button(job: Job, name: str, act: Callable[[], Any], *, icon: str, ready: bool = True) -> bool:
    """Show a button that calls `act` and return whether that succeeded; an error is shown in a box."""
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
    """The latent dimension of the run's model; None if it has no latent space or no saved step."""
    if not job.folder.steps():
        return None
    try:
        info = catalog.describe(job.folder.path)
    except GenmodelsError:
        return None  # a damaged run; its state shows the cause
    return (info.latent_dim or 0) if "latent" in info.capabilities else None


# --------------------------------------------------------------------------- live settings

_FIELDS_PER_ROW = 4


def live_settings(job: Job, spec: Spec) -> None:
    """Show the settings that can be changed while the run trains, as number inputs."""
    settings = registry.config_class(spec.family)
    fields = [field for field in config_form.fields_of(settings) if field.live]
    if job.state != "RUNNING" or not fields or train_jobs.public_mode():
        return
    ready = job.phase == "training"
    current = train_jobs.settings_now(job)
    reset = st.session_state.get("runs_live_settings_of") != job.id
    st.session_state["runs_live_settings_of"] = job.id
    with st.expander(t("runs.live_settings"), icon=":material/tune:", key="runs_live_settings"), friendly_errors():
        st.caption(t("runs.live_settings_help") if ready else t("runs.not_yet"))
        entered = {}
        cells = [
            cell
            for _ in range(0, len(fields), _FIELDS_PER_ROW)
            for cell in st.columns(min(len(fields), _FIELDS_PER_ROW))
        ]
        for cell, field in zip(cells, fields, strict=False):
            with cell:
                entered[field.name] = config_form.widget(
                    field,
                    f"runs_setting_{field.name}",
                    current[field.name],
                    field.help("model"),
                    reset=reset,
                    disabled=not ready,
                )
        problems = config_form.problems("model", fields, entered)
        if problems:
            error_box("  \n".join(problems), t("runs.apply_wrong"))
        if _clicked(
            "apply",
            job,
            t("runs.apply"),
            help=t("runs.apply_help"),
            icon=":material/check:",
            disabled=not ready or bool(problems),
        ):
            changed = train_jobs.update(job.id, entered)
            text = ", ".join(f"{name} = {new:g}" for name, (_, new) in changed.items())
            st.toast(t("runs.applied", changes=text) if changed else t("runs.nothing_changed"))


# --------------------------------------------------------------------------- manage


def manage(job: Job) -> None:
    """Show the actions that rename, copy, publish or delete the run."""
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
            continue  # an old checkpoint that has just been removed
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
    """The run folder as a zip in a temporary file, removed when closed. Raises PublicModeError on a public server.

    On disk, so that the archive is in memory only once: as the bytes that Streamlit serves until the page runs again.
    Streamlit accepts a BufferedReader, but not the object that `TemporaryFile` returns.
    """
    refuse_in_public_mode("downloading a run")
    with tempfile.TemporaryFile() as target:
        # Not strict: a machine without a clock battery writes files dated 1970, which the format cannot store.
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, strict_timestamps=False) as archive:
            for path in job.folder.files():
                if path.name in skip:
                    continue
                try:
                    archive.write(path, f"{job.id}/{path.relative_to(job.folder.path)}")
                except FileNotFoundError:
                    continue  # an old checkpoint, removed while the archive is written
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
    # Another run may have the same name, or have this name as its id.
    name = plain(job.name if job.name == job.id else t("common.distinct", text=job.name, id=job.id))
    st.warning(t("runs.delete_sure", name=name), icon=":material/warning:")
    with st.container(horizontal=True):
        sure = _clicked(
            "delete_confirm",
            job,
            t("runs.delete_confirm", name=name),
            help=t("runs.delete_confirm_help"),
            type="primary",
        )
        cancelled = st.button(t("runs.delete_cancel"), key="runs_delete_cancel", help=t("runs.delete_cancel_help"))
    if sure:
        with friendly_errors():
            train_jobs.delete(job.id)
            st.session_state.pop("runs_deleting", None)
            st.query_params.pop("run", None)
            st.session_state.pop("runs_shown", None)
            st.rerun()
    if cancelled:
        st.session_state.pop("runs_deleting", None)
        st.rerun()
