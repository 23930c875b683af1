"""The fair queue as the visitor sees it: the position of a waiting request, or the reason for a refusal."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.RootContainer_pb2 import RootContainer
from streamlit.runtime import Runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx

from genmodels.errors import GenmodelsError
from genmodels.service import sessions
from genmodels.service.sessions import Session
from pages.components.i18n import t
from pages.components.theme import message
from pages.server import downloads

_TURN_SECONDS = 4  # for which the end of the wait is shown
_shown = threading.local()


def install() -> None:
    """Tell the services the session of a request, whether it is still connected, and how to show its position."""
    sessions.identify(_session)


def _session() -> Session | None:
    context = get_script_run_ctx(suppress_warning=True)
    if context is None:
        return None
    return Session(context.session_id, partial(_connected, context.session_id), _waiting)


def _connected(session_id: str) -> bool:
    return not Runtime.exists() or bool(Runtime.instance().is_active_session(session_id))


def _waiting(position: int) -> None:
    """Show the position of the request that this script run waits for; end the run if a new one was requested."""
    if get_script_run_ctx(suppress_warning=True) is None:
        return  # a separate thread, which the page polls
    toast: DeltaGenerator | None = getattr(_shown, "toast", None)
    if position and position != getattr(_shown, "position", 0):
        text = line_text(position)
        icon = ":material/hourglass:"
        show = st.toast if toast is None else toast.toast
        _shown.toast = show(text, icon=icon, duration="infinite")
    elif not position and toast is not None:
        toast.toast(t("common.queue.turn"), icon=":material/play_arrow:", duration="short")
        _shown.toast = None
    _shown.position = position
    # Streamlit ends an obsolete run when it reads the session's state.
    st.session_state.get("line")


def line_text(position: int) -> str:
    """The position of a waiting request as a sentence."""
    return t("common.queue.next") if position == 1 else t("common.queue.waiting", position=position)


def in_queue(make: Callable[[], bytes]) -> Callable[[], bytes]:
    """The function `make` as background work of this session, for the click on a download button.

    The position in the queue, or the reason for a refusal, is sent to the browser directly, because no script runs.
    """
    session = sessions.current()
    show = partial(_send_position, session.name, {"shown": 0})

    def make_in_queue() -> bytes:
        try:
            with sessions.acting_for(replace(session, waiting=show)):
                return make()
        except GenmodelsError as error:
            _send(session.name, message(str(error)), ":material/error:", None)
            raise

    return make_in_queue


def _send_position(session_id: str, last: dict[str, int], position: int) -> None:
    if position == last["shown"]:
        return
    last["shown"] = position
    if position:
        _send(session_id, line_text(position), ":material/hourglass:", None)
    else:
        _send(session_id, t("common.queue.turn"), ":material/play_arrow:", _TURN_SECONDS)


def _send(session_id: str, text: str, icon: str, seconds: int | None) -> None:
    """Show a toast in the session's browser, for `seconds` or until it is closed; the next one replaces it."""
    loop = downloads.server_loop()
    session = Runtime.instance().get_app_session(session_id) if loop is not None else None
    if loop is None or session is None:
        return
    forward = ForwardMsg()
    forward.metadata.delta_path.extend([RootContainer.EVENT, 0])
    toast = forward.delta.new_element.toast
    toast.body, toast.icon, toast.duration = text, icon, seconds or 0
    loop.call_soon_threadsafe(session._enqueue_forward_msg, forward)
