"""Runs: a table of all trainings, active and finished, and one of them in full."""

from __future__ import annotations

import zlib
from datetime import UTC, datetime
from functools import partial
from typing import Any

import streamlit as st

import train_jobs
from pages.components import address, choice, run_view
from pages.components.i18n import t
from pages.components.theme import friendly_errors, page_title, plain
from pages.parts.runs import import_zip, overlay, published_training
from train_jobs import Job


def _table(jobs: tuple[Job, ...]) -> None:
    """Show all runs as a table; a click on a row opens the run."""
    if len(jobs) < 2:
        return
    shown = [(job.id, job.state) for job in jobs]
    ids = [job.id for job in jobs]

    def tick() -> None:
        now = train_jobs.jobs()
        if [(job.id, job.state) for job in now] != shown:
            st.rerun()
        # The key changes with the rows: a selection is an index, which would mean another run in another list.
        with st.container(key="runs_table"):
            checksum = zlib.crc32(" ".join(ids).encode())
            key = f"runs_table_{checksum:08x}"
            st.dataframe(
                [_row(job) for job in now],
                hide_index=True,
                height=min(280, 38 + 35 * len(now)),
                key=key,
                on_select=partial(_open_row, key, ids),
                selection_mode="single-row",
                alt=t("runs.table_alt"),
                placeholder="",
                column_config=_columns(),
            )
        if "runs_opened" in st.session_state:
            st.rerun()

    every = run_view.POLL if any(job.active for job in jobs) else None
    st.fragment(tick, run_every=every, key="runs_table_live")()


def _open_row(key: str, ids: list[str]) -> None:
    """Select the run of the clicked row; `ids` are the rows of the clicked table."""
    for index in st.session_state[key]["selection"]["rows"][:1]:
        st.session_state["runs_opened"] = ids[index]


def _row(job: Job) -> dict[str, Any]:
    return {
        "name": job.name,
        "recipe": job.recipe,
        "state": run_view.state_text(job),
        "progress": round(100 * job.step / job.max_steps) if job.max_steps else 0,
        "speed": job.speed and round(job.speed, 0 if job.speed >= 10 else 1),
        "started": datetime.fromtimestamp(job.started or job.created, UTC),
    }


def _columns() -> dict[str, Any]:
    column = st.column_config
    return {
        "name": column.TextColumn(t("runs.column.name"), width="medium"),
        "recipe": column.TextColumn(t("runs.column.recipe")),
        "state": column.TextColumn(t("runs.column.state"), width="small"),
        "progress": column.ProgressColumn(t("runs.column.progress"), format="%d %%", min_value=0, max_value=100),
        "speed": column.NumberColumn(t("runs.column.speed"), width="small"),
        "started": column.DatetimeColumn(t("runs.column.started"), format="distance"),
    }


def _select(jobs: tuple[Job, ...]) -> str:
    """Show the picker, bound to `?run=`, and return the id of the run to show."""
    by_id = {job.id: job for job in jobs}
    memory = st.session_state
    shown, in_address = memory.get("runs_shown"), st.query_params.get("run")
    if in_address and in_address != shown and in_address not in by_id:
        memory["runs_select"] = jobs[0].id
    requested = address.requested("runs", "run", address.member(by_id), lambda job_id: t("runs.unknown", id=job_id))
    opened = memory.pop("runs_opened", None) or requested
    if opened in by_id:
        memory["runs_select"] = opened
    elif shown and shown not in by_id and choice.current("runs_select", list(by_id)) is None:
        memory["runs_gone"] = (shown, jobs[0].id)
    chosen = choice.choose(
        t("runs.select"),
        list(by_id),
        lambda job_id: f"{by_id[job_id].name} · {run_view.state_text(by_id[job_id])}",
        key="runs_select",
        help=t("runs.select_help"),
        persist_state="session",
    )
    address.write("runs", "run", chosen)
    memory["runs_shown"] = chosen
    _report_deletion(chosen)
    return chosen


def _report_deletion(chosen: str | None) -> None:
    """Show that the run shown before was deleted, until another run is chosen."""
    gone, replacement = st.session_state.get("runs_gone", (None, None))
    if gone is not None and chosen == replacement:
        st.warning(
            t("runs.deleted_elsewhere" if chosen else "runs.last_deleted", id=plain(gone)), icon=":material/delete:"
        )
    else:
        st.session_state.pop("runs_gone", None)


page_title(t("runs.title"), t("runs.intro"))
with friendly_errors():
    _jobs = train_jobs.jobs()
    if not _jobs:
        if _gone := st.session_state.pop("runs_shown", None):
            st.session_state["runs_gone"] = (_gone, None)
        _report_deletion(None)
        st.info(t("runs.empty"), icon=":material/hourglass_empty:")
        with st.container(horizontal=True, vertical_alignment="center"):
            if not train_jobs.public_mode():
                published_training.start()
            st.page_link("train.py", label=t("runs.to_train"), icon=":material/model_training:")
        published_training.show()
        import_zip.show()
    else:
        _table(_jobs)
        if len(_jobs) > 1:
            overlay.show(_jobs)
        run_view.full(_select(_jobs))
        import_zip.show()
