"""Publishing a run: the form, the progress with a button to cancel, the card. It continues if the page is left."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

import train_jobs
from genmodels.errors import GenmodelsError
from genmodels.runs.folder import CARD
from pages.components.i18n import t
from pages.components.theme import error_box, plain
from train_jobs import Job, publishing
from train_jobs.publishing import Publication

_POLL = 1.0


def show(job: Job) -> None:
    """Show the form, or the state of the last publication of this run."""
    memory = st.session_state
    publication = publishing.of(job.id)
    if publication is not None and publication.active:
        _follow(job.id)
        return
    if publication is not None:
        _report(publication)
    if memory.get("runs_publish_of") != job.id:  # do not offer the name typed for another run
        memory["runs_publish_of"], memory["runs_publish_name"] = job.id, ""
    ready = not job.active and bool(job.folder.steps()) and not train_jobs.public_mode()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.text_input(
            t("runs.publish_name"),
            key="runs_publish_name",
            max_chars=64,
            placeholder=_default_name(job.id),
            help=t("runs.publish_name_help"),
            disabled=not ready,
        )
        st.button(
            t("runs.publish"),
            key="runs_publish",
            help=t("runs.publish_help") if ready else t("runs.publish_none"),
            icon=":material/publish:",
            disabled=not ready,
            on_click=_start,
            args=(job.id,),
        )
    if refusal := memory.pop("runs_publish_refusal", None):
        error_box(refusal)


def _default_name(job_id: str) -> str:
    return job_id.replace("-", "_")


def _start(job_id: str) -> None:
    """Publish the run of the button; a callback, so that a click counts for no other run."""
    memory = st.session_state
    _try(publishing.start, job_id, memory["runs_publish_name"].strip() or _default_name(job_id))


def _try(action: Callable[..., object], *arguments: str) -> None:
    """Call it; the next run of the page shows why it was refused."""
    try:
        action(*arguments)
    except GenmodelsError as error:
        st.session_state["runs_publish_refusal"] = str(error)


def _follow(job_id: str) -> None:
    def tick() -> None:
        publication = publishing.of(job_id)
        if publication is None or not publication.active:
            st.rerun()
        key = "publish_waiting" if publication.state == "PENDING" else "publishing"
        text = t(f"runs.{key}", name=plain(publication.name), seconds=publication.seconds)
        st.progress(publication.fraction, text)
        if publication.state == "PENDING" and publication.error:
            st.warning(t("runs.state_text.PENDING_problem", error=plain(publication.error)), icon=":material/warning:")

    st.fragment(tick, run_every=_POLL, key=f"publishing-{job_id}")()
    st.caption(t("runs.publish_continues"))
    st.button(
        t("runs.publish_cancel"),
        key="runs_publish_cancel",
        help=t("runs.publish_cancel_help"),
        icon=":material/cancel:",
        on_click=_try,
        args=(publishing.cancel, job_id),
    )


def _report(publication: Publication) -> None:
    name = plain(publication.name)
    if publication.state == "STOPPED":
        st.info(t("runs.publish_cancelled", name=name), icon=":material/cancel:")
    elif publication.state == "FAILED":
        error_box(publication.error or t("runs.no_error_text"), t("runs.publish_failed", name=name))
    else:
        st.success(t("runs.published", name=name, seconds=publication.seconds), icon=":material/check:")
        with st.expander(t("runs.publish_card", name=name), icon=":material/description:", key="runs_publish_card"):
            try:
                card = (publication.path / CARD).read_text(encoding="utf-8")
            except OSError:
                st.caption(t("runs.publish_gone"))
            else:
                # Without its image, a file next to the card that a browser cannot load
                st.markdown("\n".join(line for line in card.splitlines() if not line.startswith("![")))
    st.button(
        t("runs.publish_forget"),
        key="runs_publish_forget",
        help=t("runs.publish_forget_help"),
        on_click=_try,
        args=(publishing.forget, publication.job_id),
        type="tertiary",
    )
