"""What a visitor sees of the fair queue: the position in line while a request waits, and why one was refused."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit.runtime import Runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx

from genmodels.errors import GenmodelsError
from genmodels.service import fair_queue, sessions
from genmodels.service.sessions import Session
from pages.components.i18n import t
from pages.components.theme import error_box

_EVERY = 1.0
_BEGINNING = 3.0  # seconds from a click on a download to its place in the queue, at most
_shown = threading.local()


def install() -> None:
    """Let the services know which session asks, whether it is still connected, and how to show its position."""
    sessions.identify(_session)


def _session() -> Session | None:
    context = get_script_run_ctx(suppress_warning=True)
    if context is None:
        return None
    return Session(context.session_id, partial(_connected, context.session_id), _waiting)


def _connected(session_id: str) -> bool:
    return not Runtime.exists() or bool(Runtime.instance().is_active_session(session_id))


def _waiting(position: int) -> None:
    """Show the position of a request that this script run waits for; ends the run if another one was asked for."""
    if get_script_run_ctx(suppress_warning=True) is None:
        return  # a thread of its own, which the page looks at
    toast: DeltaGenerator | None = getattr(_shown, "toast", None)
    if position and position != getattr(_shown, "position", 0):
        text = line_text(position)
        icon = ":material/hourglass:"
        show = st.toast if toast is None else toast.toast
        _shown.toast = show(text, icon=icon, duration="infinite")
    elif not position and toast is not None:
        toast.toast(t("common.line.turn"), icon=":material/play_arrow:", duration="short")
        _shown.toast = None
    _shown.position = position
    # Reading the session's state is where Streamlit ends a run that nobody wants any more.
    st.session_state.get("line_until")


def line_text(position: int) -> str:
    """Where a waiting request stands, in words."""
    return t("common.line.next") if position == 1 else t("common.line.waiting", position=position)


def download(
    place: Any, label: str, make: Callable[[], bytes], file_name: str, mime: str, *, key: str, icon: str, help_text: str
) -> None:
    """A download button for a file that is made when it is clicked, as background work of this session.

    Below it: its position in line while it waits, or why it was refused.
    """
    memory = st.session_state
    session = sessions.current()
    refusals: list[str] = memory.setdefault("line_refusals", [])

    def made() -> bytes:
        try:
            with sessions.acting_for(session):
                return make()
        except GenmodelsError as error:
            refusals.append(str(error))
            raise

    place.download_button(
        label, made, file_name, mime, key=key, icon=icon, on_click=_expect, args=(key,), help=help_text
    )
    if memory.get("line_key") == key:
        _status(session)


def _expect(key: str) -> None:
    st.session_state.line_key, st.session_state.line_until = key, time.monotonic() + _BEGINNING


def _status(session: Session) -> None:
    memory = st.session_state

    def tick() -> None:
        positions = fair_queue.queue.of(session)
        beginning = time.monotonic() < memory.line_until and not memory.line_refusals
        if positions:
            memory.line_until = 0.0
        elif not beginning:
            memory.pop("line_key", None)
            if not memory.line_refusals:
                st.rerun(scope="app")  # ends the timer
        if memory.line_refusals:
            error_box(memory.line_refusals.pop(), t("common.error.title"))
        elif positions:
            waiting = max(positions)
            st.caption(line_text(waiting) if waiting else t("common.line.making"))

    st.fragment(tick, run_every=_EVERY)()
