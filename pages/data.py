"""Data: browse the training sets, or make one of your own images."""

from __future__ import annotations

import streamlit as st

from genmodels.service import datasets
from genmodels.service.datasets import Entry
from pages.components import address, choice
from pages.components.i18n import t
from pages.components.page import page
from pages.components.theme import friendly_errors
from pages.parts.data import browse, upload

_VIEWS = ("browse", "upload")


def _pick_view() -> str:
    # A new set is shown at once; the key of a widget can only be set before the widget is shown.
    address.bind(
        "data",
        "view",
        "data_view",
        address.member(_VIEWS),
        address.problem("view", address.one_of(_VIEWS)),
        default=address.written("data", "view") or _VIEWS[0],
    )
    if view := st.session_state.pop("data_go_to", None):
        st.session_state["data_view"] = view
    chosen = str(
        st.segmented_control(
            t("data.view"),
            _VIEWS,
            format_func=lambda view: t(f"data.views.{view}"),
            required=True,
            key="data_view",
            help=t("data.view_help"),
            label_visibility="collapsed",
            persist_state="session",
        )
    )
    address.write("data", "view", chosen)
    return chosen


def _pick_set(entries: dict[str, Entry]) -> Entry:
    """Show the picker, bound to `?data=`, and return the chosen set."""
    last = address.written("data", "data")
    address.bind(
        "data", "data", "data_set", address.member(entries), lambda name: t("data.unknown_set", name=name), recheck=True
    )
    chosen = choice.choose(
        t("data.set"),
        list(entries),
        lambda name: _label(entries[name]),
        key="data_set",
        fallback=last,
        help=t("data.set_help"),
    )
    address.write("data", "data", chosen)
    return entries[chosen]


def _label(entry: Entry) -> str:
    if entry.spec is None:
        return t("data.option.damaged", name=entry.name)
    kind = "own" if entry.uploaded else "missing" if entry.problem else "here"
    return t(f"data.option.{kind}", title=entry.spec.title)


with page("data"):
    if _pick_view() == "upload":
        upload.show()
    else:
        _news = st.container()
        _entry = _pick_set({entry.name: entry for entry in datasets.listing()})
        with _news:
            upload.report(_entry.name)
        with friendly_errors():
            browse.show(_entry)
