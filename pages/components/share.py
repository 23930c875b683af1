"""The button in the frame that shares what a page shows: link, QR code, and the code that computes it."""

from __future__ import annotations

import hashlib
import io
import os
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlencode

import segno
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from genmodels.runs.catalog import list_checkpoints
from genmodels.runs.folder import RunFolder
from genmodels.service.requests import ModelRequest
from pages.components import address, drop, hidden, upload_limits, view_file
from pages.components.i18n import t

_CODE, _COMMAND, _LEFT_OUT = "share_code", "share_command", "share_left_out"
_ASSETS = "pages/assets"
_MAX_QR = 1_200  # characters; a longer link makes modules too small for a telephone's camera
_QR_PIXELS = 240
_MEGABYTES = 16  # of a picture to open; an animation of portraits has a few


def begin() -> DeltaGenerator | None:
    """Start a page's run, and return the place of the button above the page's title; None if it is hidden."""
    for key in (_CODE, _COMMAND, _LEFT_OUT):
        st.session_state.pop(key, None)
    open_dropped()
    place = None
    if not hidden.is_hidden("share"):
        place = st.container(horizontal_alignment="right", key="share_place")
    if st.session_state.pop("share_changed", False):
        st.toast(t("common.share.changed"), icon=":material/difference:", duration="infinite")
    return place


def leave_out(what: Literal["file", "drawing"]) -> None:
    """Note, until the page's next run, that its result depends on something that a link does not contain."""
    st.session_state[_LEFT_OUT] = what


@dataclass(frozen=True)
class Made:
    """An argument of a program that another function makes: its Python text, which calls `function`."""

    function: Callable[..., Any]
    text: str


def call(function: Callable[..., Any], *arguments: Any) -> Made:
    """The result of `function(*arguments)` as an argument of a program."""
    return Made(function, f"{function.__name__}({', '.join(map(repr, arguments))})")


def bundled(file: str) -> Made:
    """A file in `pages/assets/` as an argument of a program."""
    from genmodels.service.large_images import ImageFile  # imports torch, which the page has if it offers code

    return Made(ImageFile, f"ImageFile({file!r}, Path({asset_path(file)!r}).read_bytes())")


def asset_path(file: str) -> str:
    """The path of a bundled file from the folder that programs and commands run in."""
    return f"{_ASSETS}/{file}"


def offer_code(
    function: Callable[..., Any], *arguments: Any, file: str, result: str = "", command: Sequence[str] = ()
) -> None:
    """Offer the program that writes what the page shows, until its next run: `function(*arguments)` as `file`.

    The first argument is a request, or a list of requests; the others are values or `Made`. `result` is the attribute
    of the function's result to write. `command` are the words after `python -m genmodels` that write the same.
    """
    st.session_state[_CODE] = program(function, *arguments, file=file, result=result)
    if command:
        st.session_state[_COMMAND] = command_line(command)


def offer_text(function: Callable[..., str], *arguments: Any, command: Sequence[str] = (), **named: Any) -> None:
    """As `offer_code`, for a function whose text the program prints; all arguments are values or `Made`."""
    texts = [_argument(one) for one in arguments] + [f"{name}={_argument(one)}" for name, one in named.items()]
    made = [one.function for one in (*arguments, *named.values()) if isinstance(one, Made)]
    imports = _imports(function, *made)
    st.session_state[_CODE] = f"{imports}\n\nprint({function.__name__}({', '.join(texts)}))\n"
    if command:
        st.session_state[_COMMAND] = command_line(command)


def command_line(words: Sequence[str]) -> str:
    """The command of these words after `python -m genmodels`."""
    return shlex.join(["python", "-m", "genmodels", *words])


def program(function: Callable[..., Any], *arguments: Any, file: str, result: str = "") -> str:
    """The program of `offer_code`. Settings of a request at their default are left out."""
    first, *others = arguments
    requests = first if isinstance(first, list) else [first]
    variable = "requests" if isinstance(first, list) else "request"
    made = [other.function for other in others if isinstance(other, Made)]
    imports = _imports(type(requests[0]), function, *made)
    texts = [_request(request) for request in requests]
    value = f"[{', '.join(texts)}]" if isinstance(first, list) else texts[0]
    call = f"{function.__name__}({', '.join([variable, *map(_argument, others)])}){result and f'.{result}'}"
    return f"""from pathlib import Path

{imports}

{variable} = {value}
Path({file!r}).write_bytes({call})
"""


def _imports(*things: Callable[..., Any]) -> str:
    names: dict[str, set[str]] = {}
    for thing in things:
        names.setdefault(thing.__module__, set()).add(thing.__name__)
    return "\n".join(f"from {module} import {', '.join(sorted(names[module]))}" for module in sorted(names))


def _argument(value: Any) -> str:
    return value.text if isinstance(value, Made) else repr(value)


def _request(request: ModelRequest) -> str:
    fields = type(request).model_fields
    values = {name: value for name, value in request.model_dump().items() if value != fields[name].default}
    return f"{type(request).__name__}({', '.join(f'{name}={value!r}' for name, value in values.items())})"


def with_view(make: Callable[[], bytes] | bytes, values: Mapping[str, str | None] | None = None) -> Callable[[], bytes]:
    """`make`, whose PNG, GIF or WAV contains the view that is shown now: page, address, and hash of the weights.

    `values` are parameters of what the file shows, if the page shows more or its controls may have been changed since;
    they may name the `step` of the weights even if the page has no such parameter.
    """
    page, parameters = address.current()
    parameters = {name: value for name, value in {**parameters, **(values or {})}.items() if value is not None}

    def made() -> bytes:
        view: dict[str, Any] = {"page": page, "view": parameters}
        if weights := _weights(parameters):
            view["weights"] = weights
        return view_file.embed(make if isinstance(make, bytes) else make(), view)

    return made


def _weights(parameters: Mapping[str, str]) -> str | None:
    """The first 16 digits of SHA-256 of the weights that the view uses; None if it does not name one step."""
    model, step = parameters.get("model"), parameters.get("step", "")
    info = next((info for info in list_checkpoints() if info.name == model), None)
    if info is None or not (step.isascii() and step.isdigit()) or int(step) not in info.steps:
        return None
    from genmodels.runs.folder import WEIGHTS

    with (RunFolder(info.path).step_path(int(step)) / WEIGHTS).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def _open_file() -> None:
    """Show the field for a downloaded picture or sound, and open the view inside it."""
    file = st.file_uploader(
        t("common.share.file"),
        ["png", "gif", "wav"],
        key="share_file",
        help=t("common.share.file_help"),
        max_upload_size=_MEGABYTES,
    )
    upload_limits.accept("share_file", file, megabytes=_MEGABYTES)
    if file is None or st.session_state.get("share_opened") == file.file_id:
        return
    _open_view(file.getvalue(), file.file_id)
    st.warning(t("common.share.file_empty"), icon=":material/link_off:")


def open_dropped() -> None:
    """Open the view inside a file that was dropped onto the page just now."""
    if (file := drop.dropped()) is not None:
        _open_view(file)
        st.toast(t("common.share.file_empty"), icon=":material/link_off:")


def _open_view(file: bytes, file_id: str = "") -> None:
    """Open the page with the view inside a file, which ends this run; return if there is no usable view."""
    view = view_file.read(file) or {}
    page, parameters = view.get("page"), view.get("view")
    if (
        not isinstance(page, str)
        or page not in address.PARAMETERS
        or not isinstance(parameters, dict)
        or not all(isinstance(value, str) for value in parameters.values())
    ):
        return
    st.session_state["share_opened"] = file_id
    known = {name: value for name, value in parameters.items() if name in address.PARAMETERS[page]}
    weights = view.get("weights")
    st.session_state["share_changed"] = weights is not None and weights != _weights(parameters)
    st.switch_page(f"{page}.py", query_params=known)


def show(place: DeltaGenerator | None, page: str) -> None:
    """Show the button; its content is made when it is opened, after the page has written its address."""
    if place is None:
        return
    box = place.popover(
        t("common.share.button"),
        key="share",
        icon=":material/share:",
        type="tertiary",
        help=t("common.share.help"),
        on_change="rerun",
    )
    if not box.open:
        return
    with box:
        link = address_of(page)
        st.markdown(t("common.share.link"))
        st.code(link, language=None, wrap_lines=True)
        if what := st.session_state.get(_LEFT_OUT):
            st.caption(t(f"common.share.left_out.{what}"))
        if len(link) <= _MAX_QR:
            st.image(_qr(link), width=_QR_PIXELS, alt=t("common.share.qr_alt"))
        else:
            st.caption(t("common.share.too_long"))
        if program := st.session_state.get(_CODE):
            st.markdown(t("common.share.code"))
            st.code(program, language="python", wrap_lines=True)
        if command := st.session_state.get(_COMMAND):
            st.markdown(t("common.share.command"))
            st.code(command, language="bash", wrap_lines=True)
        _open_file()


def address_of(page: str) -> str:
    """The address of the view that `page` shows; on a Space, that of the Space, which passes on only its query."""
    query = {name: value for name, value in st.query_params.to_dict().items() if not name.startswith("_")}
    if space := os.environ.get("SPACE_ID"):
        parameters = {**({} if page == "gallery" else {"page": page}), **query}
        return _with_query(f"https://huggingface.co/spaces/{space}", parameters)
    return _with_query(st.context.url or "", query)


def _with_query(address: str, parameters: dict[str, str]) -> str:
    return f"{address}?{urlencode(parameters)}" if parameters else address


def _qr(link: str) -> bytes:
    """The link as a PNG; black on white in both themes, as cameras expect it."""
    file = io.BytesIO()
    segno.make(link, error="l", boost_error=True, micro=False).save(file, kind="png", scale=6, border=4)
    return file.getvalue()
