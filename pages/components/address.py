"""A page's address: each `?name=value` is checked once, used or refused, and written back by the page.

A refused value leaves the address, and its report stays on the page until another value is chosen or the page is left:
some pages rerun by themselves, and a report that is shown once is gone before it can be read.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from typing import TypeVar

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from pages.components.i18n import t
from pages.components.theme import plain

T = TypeVar("T")
PARAMETERS: dict[str, tuple[str, ...]] = {
    "gallery": (),
    "latent": ("model",),
    "seeds": ("model", "seeds", "z"),
    "manifold": ("part", "model"),
    "conditional": ("model",),
    "translate": ("model",),
    "stylize": ("model", "run"),
    "paint": ("part", "model", "seed", "class", "temperature", "levels"),
    "speak": (
        *("part", "model", "say", "voice", "seed", "seconds", "temperature", "top_k", "guidance", "tempo"),
        *("levels", "window", "length", "hop"),
    ),
    "classify": ("part", "model"),
    "compare": ("models",),
    "evaluate": ("model",),
    "data": ("data",),
    "train": ("recipe", "data", "run"),
    "runs": ("run",),
}
_OTHERS = ("__", "utm_")
"""Begins the names of parameters that hosts and links from elsewhere add; they are left alone."""
_SHOWN = 80
_REPORTS = "address_reports"


class _Report:
    """What was refused; `by` is what the page wrote instead, once it has `replaced` it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.replaced = False
        self.by: str | None = None
        self._place: DeltaGenerator | None = None

    def show(self) -> None:
        self._place = st.empty()
        self._place.warning(self.text, icon=":material/link_off:")

    def hide(self) -> None:
        """Also if it is drawn already: widgets are read after the address."""
        if self._place is not None:
            self._place.empty()


def enter(page: str) -> None:
    """Begin a run of `page`: drop another page's reports, and report parameters that this page does not have."""
    memory = st.session_state
    if memory.get("address_page") != page:
        memory["address_page"] = page
        memory.pop(_REPORTS, None)
    for name in [name for name in st.query_params if not name.startswith(_OTHERS)]:
        if name in PARAMETERS[page]:
            continue
        value = st.query_params.pop(name)
        # Going back from a page to the gallery, a browser keeps that page's parameters: nobody asked for them.
        if page != "gallery" or not any(name in names for names in PARAMETERS.values()):
            known = ", ".join(f"`?{known}=`" for known in PARAMETERS[page]) or t("common.address.none")
            _keep(
                name, t("common.address.no_such", name=plain(name[:_SHOWN]), value=plain(value[:_SHOWN]), known=known)
            )
    for name, report in _reports().items():
        if name not in PARAMETERS[page]:
            report.show()


def take(
    page: str,
    name: str,
    read: Callable[[str], T],
    problem: Callable[[str], str],
    *,
    recheck: bool = False,
) -> T | None:
    """What `?name=` asks for; None if it is absent, or is what the page wrote there itself.

    If `read` raises ValueError, the value leaves the address, and `problem` makes the report from the value's Markdown.
    `recheck`: a value that the page wrote is read too, because what it names may have been deleted.
    """
    value, own = st.query_params.get(name), st.session_state.get(_key(page, name))
    if value and (recheck or value != own):
        try:
            found = read(value)
        except ValueError:
            report = problem(plain(value[:_SHOWN]))
            if value != own:
                refuse(page, name, report)
            else:  # deleted while the page shows it: the page replaces it now
                st.query_params.pop(name)
                st.warning(report, icon=":material/link_off:")
            return None
        if value != own:
            _reports().pop(name, None)
            st.session_state[_key(page, name)] = value
            return found
    if kept := _reports().get(name):
        kept.show()
    return None


def refuse(page: str, name: str, report: str) -> None:
    """Remove `?name=` from the address, and report it on this run of the page and on the next ones."""
    st.query_params.pop(name, None)
    _keep(name, report)
    _reports()[name].show()


def write(page: str, name: str, value: str | None) -> None:
    """Put what the page shows into its address; None removes it. Another choice than before ends the report."""
    if value is None:
        st.query_params.pop(name, None)
        st.session_state.pop(_key(page, name), None)
    else:
        if st.query_params.get(name) != value:
            st.query_params[name] = value
        st.session_state[_key(page, name)] = value
    if report := _reports().get(name):
        if not report.replaced:
            report.replaced, report.by = True, value
        elif report.by != value:
            report.hide()
            _reports().pop(name)


def written(page: str, name: str) -> str | None:
    """What the page itself put into its address last."""
    found: str | None = st.session_state.get(_key(page, name))
    return found


def problem(name: str, allowed: str) -> Callable[[str], str]:
    """The report about a value of `?name=`; `allowed` says which values there are."""
    return lambda value: t("common.address.refused", name=name, value=value, allowed=allowed)


def one_of(choices: Iterable[object]) -> str:
    """`allowed` for `problem`: a list of values."""
    return t("common.address.one_of", choices=", ".join(f"`{choice}`" for choice in choices))


def between(low: float, high: float) -> str:
    """`allowed` for `problem`: a range of numbers."""
    return t("common.address.between", low=f"{low:g}" if isinstance(low, float) else low, high=high)


def member(choices: Container[str]) -> Callable[[str], str]:
    """Reads a value that is one of `choices`."""

    def read(text: str) -> str:
        if text not in choices:
            raise ValueError(text)
        return text

    return read


def number(low: float, high: float) -> Callable[[str], float]:
    """Reads a number from `low` to `high`."""

    def read(text: str) -> float:
        value = float(text[:20])
        if not low <= value <= high:
            raise ValueError(text)
        return value

    return read


def integer(low: int, high: int) -> Callable[[str], int]:
    """Reads a whole number from `low` to `high`."""

    def read(text: str) -> int:
        value = int(text[:20])
        if not low <= value <= high:
            raise ValueError(text)
        return value

    return read


def _reports() -> dict[str, _Report]:
    found: dict[str, _Report] = st.session_state.setdefault(_REPORTS, {})
    return found


def _keep(name: str, text: str) -> None:
    _reports()[name] = _Report(text)


def _key(page: str, name: str) -> str:
    return f"{page}_address_{name}"
