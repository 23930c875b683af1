"""Runs: every training, alive or finished, as a table; one of them in full."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import streamlit as st

import train_jobs
from pages.components import run_view
from pages.components.i18n import t
from pages.components.theme import friendly_errors, page_title, plain
from train_jobs import Job


def _table(jobs: tuple[Job, ...]) -> None:
    """All runs at a glance; a click on a row opens it."""
    if len(jobs) < 2:
        return
    seen = [(job.id, job.state) for job in jobs]

    def tick() -> None:
        now = train_jobs.jobs()
        if [(job.id, job.state) for job in now] != seen:
            st.rerun()
        rows = [_row(job) for job in now]
        event = st.dataframe(
            rows,
            hide_index=True,
            height=min(280, 38 + 35 * len(rows)),
            key="runs_table",
            on_select="rerun",
            selection_mode="single-row",
            alt=t("runs.table_alt"),
            placeholder="",
            column_config=_columns(),
        )
        picked = [now[index].id for index in event["selection"]["rows"]]
        if picked and picked[0] != st.session_state.get("runs_picked"):
            st.session_state["runs_picked"] = picked[0]
            st.session_state["runs_wanted"] = picked[0]
            st.rerun()

    every = run_view.POLL if any(job.active for job in jobs) else None
    st.fragment(tick, run_every=every, key="runs_table_live")()


def _row(job: Job) -> dict[str, Any]:
    return {
        "name": job.name,
        "recipe": job.recipe,
        "state": t(f"runs.state.{job.state}"),
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
    """The run to show, kept in the address."""
    by_id = {job.id: job for job in jobs}
    wanted = st.session_state.pop("runs_wanted", None)
    asked = st.query_params.get("run")
    if wanted is None and asked and asked != st.session_state.get("runs_asked"):
        wanted = asked
        if asked not in by_id:
            st.warning(t("runs.unknown", id=plain(asked)), icon=":material/link_off:")
    if wanted in by_id:
        st.session_state["runs_select"] = wanted
    elif st.session_state.get("runs_select") not in by_id:
        st.session_state["runs_select"] = jobs[0].id
    chosen = st.selectbox(
        t("runs.select"),
        list(by_id),
        format_func=lambda job_id: f"{by_id[job_id].name} · {t('runs.state.' + by_id[job_id].state)}",
        key="runs_select",
        help=t("runs.select_help"),
        persist_state="session",
    )
    if st.query_params.get("run") != chosen:
        st.query_params["run"] = chosen
    st.session_state["runs_asked"] = chosen
    return str(chosen)


page_title(t("runs.title"), t("runs.intro"))
with friendly_errors():
    _jobs = train_jobs.jobs()
    if not _jobs:
        st.info(t("runs.empty"), icon=":material/hourglass_empty:")
        st.page_link("train.py", label=t("runs.to_train"), icon=":material/model_training:")
    else:
        _table(_jobs)
        run_view.full(_select(_jobs))
