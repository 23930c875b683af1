"""Query parameters of the pages: each `?name=value` is parsed once, used or refused, and written back by the page.

A refused value is removed from the address. Its report stays on the page until another value is chosen or the page is
left, because some pages rerun by themselves and a report shown once would vanish before it is read.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping
from typing import TypeVar

import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit.runtime.scriptrunner import get_script_run_ctx

from pages.components.i18n import t
from pages.components.theme import plain

T = TypeVar("T")
PARAMETERS: dict[str, tuple[str, ...]] = {
    "gallery": ("page", "kind", "dataset", "runs"),
    "latent": ("model", "step", "seed", "plane", "class", "truncation", "axes", "z", "pad", "directions", "pins"),
    "seeds": ("model", "seeds", "class", "norm", "pair", "z"),
    "manifold": ("part", "model", "step", "spacing", "mode", "z"),
    "conditional": ("model", "step", "seed", "class", "from", "to"),
    "flow": ("part", "model", "step", "seed", "class", "guidance", "steps", "solver", "count"),
    "translate": ("model", "step", "direction", "image", "detail", "cycle"),
    "stylize": ("image", "model", "size", "style", "side", "iterations", "set", "run"),
    "paint": (
        *("part", "model", "step", "seed", "class", "count", "temperature", "levels", "image", "rows", "condition"),
        *("kernel", "layers", "at"),
    ),
    "speak": (
        *("part", "model", "step", "say", "speaker", "seed", "seconds", "temperature", "top_k", "guidance", "tempo"),
        *("recording", "beginning", "levels", "window", "length", "hop", "apart", "weaker", "at"),
    ),
    "classify": ("part", "model", "models", "digit", "start", "strength"),
    "compare": ("part", "models", "seed"),
    "evaluate": ("model", "step"),
    "data": ("view", "data", "split", "class", "shuffle", "sheet"),
    "train": ("recipe", "preset", "data", "fit", "set", "run"),
    "runs": ("run", "overlay", "metric", "x", "smooth", "log"),
}
FRAME = "frame"
"""The page under which `requested` and `write` have the parameters that all pages have (`components/teaching.py`)."""
FRAME_PARAMETERS = ("hide", "big", "lang")
_FOREIGN_PREFIXES = ("__", "utm_")
"""Parameters that hosts and links of other sites add; they are ignored."""
_MAX_SHOWN = 80
_REPORTS, _COLLECTED, _RECENT = "address_reports", "address_collected", "address_recent"
_MAX_RECENT = 16


class _Report:
    """A refused value; `by` is the value the page wrote instead, once it has `replaced` it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.replaced = False
        self.by: str | None = None
        self._place: DeltaGenerator | None = None

    def show(self) -> None:
        self._place = st.empty()
        self._place.warning(self.text, icon=":material/link_off:")

    def hide(self) -> None:
        """Remove the report even if this run has shown it already: widgets are read after the address."""
        if self._place is not None:
            self._place.empty()


_PAGES = [name for name in PARAMETERS if name != "gallery"]


def follow() -> None:
    """Open the page that `/?page=` names, with the other parameters of the address; return if there is none.

    A host that shows the app in a frame, such as a Space, passes on only the query of its own address.
    """
    if (page := st.query_params.get("page")) in _PAGES:
        rest = {name: value for name, value in st.query_params.to_dict().items() if name != "page"}
        st.switch_page(f"{page}.py", query_params=rest)


def enter(page: str) -> None:
    """Start a run of `page`: drop the reports of another page, and report parameters that this page does not have."""
    memory = st.session_state
    if memory.get("address_page") != page:
        memory["address_page"] = page
        memory.pop(_REPORTS, None)
        memory[_RECENT] = []
    memory[_COLLECTED] = {}
    if not _is_stale():
        _remember()
    memory.address_bare = not any(name in st.query_params for name in PARAMETERS[page])
    for name in [name for name in st.query_params if not name.startswith(_FOREIGN_PREFIXES)]:
        if name in (*PARAMETERS[page], *FRAME_PARAMETERS):
            continue
        value = st.query_params.pop(name)
        # A browser that goes back from a page to the gallery keeps the page's parameters.
        if page != "gallery" or not any(name in names for names in PARAMETERS.values()):
            known = ", ".join(f"`?{known}=`" for known in PARAMETERS[page]) or t("common.address.none")
            shown = {"name": plain(name[:_MAX_SHOWN]), "value": plain(value[:_MAX_SHOWN])}
            _add_report(name, t("common.address.no_such", known=known, **shown))
    for name, report in _reports().items():
        if name not in (*PARAMETERS[page], *FRAME_PARAMETERS):
            report.show()
    if page == "gallery":  # a right name would have been followed
        requested(page, "page", member(_PAGES), problem("page", one_of(_PAGES)))


def _is_stale() -> bool:
    """Whether the browser sent an address that this page has replaced since.

    It does if the user acts before the browser has received the new address. Such an address requests nothing; an
    earlier address that the user went back to does.
    """
    recent = st.session_state.get(_RECENT, [])
    context = get_script_run_ctx()
    if context is not None and context.is_history_navigation:
        return False
    now = st.query_params.to_dict()
    return now in recent and now != recent[-1]


def _remember() -> None:
    recent = st.session_state.get(_RECENT)
    now = st.query_params.to_dict()
    if recent is not None and (not recent or recent[-1] != now):
        recent.append(now)
        del recent[:-_MAX_RECENT]


def bind(
    page: str,
    name: str,
    key: str,
    parse: Callable[[str], T],
    problem: Callable[[str], str],
    *,
    default: T | None = None,
    recheck: bool = False,
) -> None:
    """Set the session value `key`, usually a widget's, to what `?name=` requests; without a value it gets `default`.

    Call it before the widget is shown, and `write` with the widget's value afterwards.
    """
    value = requested(page, name, parse, problem, recheck=recheck)
    if value is not None:
        st.session_state[key] = value
    elif default is not None:
        st.session_state.setdefault(key, default)


def requested(
    page: str,
    name: str,
    parse: Callable[[str], T],
    problem: Callable[[str], str],
    *,
    recheck: bool = False,
) -> T | None:
    """The parsed value of `?name=`; None if it is absent, refused, or was written there by the page itself.

    If `parse` raises ValueError, the value is removed from the address and `problem` makes a report of its Markdown.
    With `recheck`, a value that the page wrote is parsed too, because what it names may have been deleted.
    """
    collected = st.session_state.get(_COLLECTED, {})
    value, own = collected.get(name, st.query_params.get(name)), st.session_state.get(_key(page, name))
    if value != own and _is_stale():
        value = own
    if value and (recheck or value != own):
        try:
            parsed = parse(value)
        except ValueError:
            text = problem(plain(value[:_MAX_SHOWN]))
            if value != own:
                refuse(page, name, text)
            else:  # deleted while the page shows it; the page replaces it in this run
                st.query_params.pop(name, None)
                st.warning(text, icon=":material/link_off:")
            return None
        if value != own:
            _reports().pop(name, None)
            st.session_state[_key(page, name)] = value
            return parsed
    if report := _reports().get(name):
        report.show()
    return None


def refuse(page: str, name: str, text: str) -> None:
    """Remove `?name=` from the address, and report it in this run of the page and the next ones."""
    st.query_params.pop(name, None)
    _add_report(name, text)
    _reports()[name].show()


def write(page: str, name: str, value: str | None) -> None:
    """Set `?name=` to what the page shows; None removes it. A change of the value ends the report."""
    write_view(page, {name: value})


def write_view(page: str, values: Mapping[str, str | None]) -> None:
    """Set several parameters like `write`. All that a run of the page writes is one step of the browser's history."""
    if _COLLECTED in st.session_state:
        st.session_state[_COLLECTED].update(values)
    else:  # a fragment runs without the rest of the page
        _apply(values)
    for name, value in values.items():
        if value is None:
            st.session_state.pop(_key(page, name), None)
        else:
            st.session_state[_key(page, name)] = value
        if report := _reports().get(name):
            if not report.replaced:
                report.replaced, report.by = True, value
            elif report.by != value:
                report.hide()
                _reports().pop(name)


def leave() -> None:
    """End a run of the page: what it has written goes to the browser."""
    _apply(st.session_state.pop(_COLLECTED, {}))


def _apply(values: Mapping[str, str | None]) -> None:
    before = st.query_params.to_dict()
    after = {name: value for name, value in {**before, **values}.items() if value is not None}
    if after != before:
        st.query_params.from_dict(after)
    _remember()


def left_out(page: str, names: Iterable[str]) -> list[str]:
    """Those of `names` that the page wrote and that are no longer in an address with other parameters of the page.

    The user went back to a view in which they had their defaults, or followed a link that leaves defaults out. An
    address without any parameter of the page is the page's menu entry: there the page shows what it showed last.
    """
    if st.session_state.get("address_bare") or _is_stale():
        return []
    missing = [name for name in names if written(page, name) is not None and name not in st.query_params]
    for name in missing:
        st.session_state.pop(_key(page, name), None)
    return missing


def current() -> tuple[str, dict[str, str]]:
    """The page that is shown, and its parameters as far as they are written."""
    page = st.session_state.get("address_page", "gallery")
    values = {**st.query_params.to_dict(), **st.session_state.get(_COLLECTED, {})}
    return page, {name: value for name, value in values.items() if name in PARAMETERS[page] and value is not None}


def written(page: str, name: str) -> str | None:
    """The value that the page itself wrote to `?name=` last."""
    value: str | None = st.session_state.get(_key(page, name))
    return value


def problem(name: str, allowed: str) -> Callable[[str], str]:
    """A function that makes the report about a value of `?name=`; `allowed` describes the valid values."""
    return lambda value: t("common.address.refused", name=name, value=value, allowed=allowed)


def one_of(choices: Iterable[object]) -> str:
    """`allowed` for `problem`: a list of values."""
    return t("common.address.one_of", choices=", ".join(f"`{choice}`" for choice in choices))


def between(low: float, high: float) -> str:
    """`allowed` for `problem`: a range of numbers."""
    return t("common.address.between", low=f"{low:g}" if isinstance(low, float) else low, high=high)


def member(choices: Container[str]) -> Callable[[str], str]:
    """A parser of texts that are in `choices`."""

    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError(text)
        return text

    return parse


def option(choices: Iterable[T]) -> Callable[[str], T]:
    """A parser of the texts of `choices` that returns the choice."""
    by_text = {str(choice): choice for choice in choices}

    def parse(text: str) -> T:
        if text not in by_text:
            raise ValueError(text)
        return by_text[text]

    return parse


def number(low: float, high: float, *, digits: int | None = None) -> Callable[[str], float]:
    """A parser of numbers from `low` to `high`, rounded to `digits` after the point."""

    def parse(text: str) -> float:
        value = float(text[:20])
        if not low <= value <= high:
            raise ValueError(text)
        return value if digits is None else round(value, digits)

    return parse


def integer(low: int, high: int) -> Callable[[str], int]:
    """A parser of integers from `low` to `high`."""

    def parse(text: str) -> int:
        value = int(text[:20])
        if not low <= value <= high:
            raise ValueError(text)
        return value

    return parse


def _reports() -> dict[str, _Report]:
    reports: dict[str, _Report] = st.session_state.setdefault(_REPORTS, {})
    return reports


def _add_report(name: str, text: str) -> None:
    _reports()[name] = _Report(text)


def _key(page: str, name: str) -> str:
    return f"{page}_address_{name}"
