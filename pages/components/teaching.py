"""Parameters that change the frame of every page, for teaching: `?hide=controls,share&big=1&lang=en`.

They hold for the session: each page writes them into its address, so they survive navigation and a reload.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import streamlit as st

from pages.components import address, hidden
from pages.components.i18n import t

T = TypeVar("T")
_LANGUAGES = ("en",)
_BIG, _USED = "frame_big", "frame_used"
# Widgets that change what is shown; a component such as the latent pad is the picture itself and stays.
_WIDGETS = (
    *(
        "stSelectbox",
        "stSlider",
        "stNumberInput",
        "stButton",
        "stButtonGroup",
        "stCheckbox",
        "stRadio",
        "stMultiSelect",
    ),
    *("stFileUploader", "stTextInput", "stTextArea", "stDownloadButton", "stCameraInput", "stAudioInput", "stPageLink"),
)
_SELECTOR = ", ".join(f'[data-testid="{name}"]' for name in _WIDGETS)
_CONTENT = ".stBidiComponent, " + ", ".join(
    f'[data-testid="{name}"]'
    for name in ("stMarkdown", "stHeading", "stImage", "stAudio", "stPlotlyChart", "stDataFrame", "stAlert", "stCode")
)
_STYLES = {
    "controls": f"""
[data-testid="stMain"] [data-testid="stElementContainer"]:has({_SELECTOR}) {{ display: none; }}
.stVerticalBlock[class*="_workspace"] {{ display: flex; }}
[data-testid="stColumn"]:not(:has({_CONTENT})) {{ display: none; }}""",
    "navigation": """
[data-testid="stHeader"], [data-testid="stSidebar"] { display: none; }
[data-testid="stMainBlockContainer"] { padding-top: 1rem; }""",
}
_BIG_STYLE = """
[data-testid="stMainBlockContainer"] { zoom: 1.4; padding: 3rem 2rem; }
[data-testid="stSidebar"] { display: none; }"""


def read() -> None:
    """Set the session to what the address requests, and write it back; call it at the start of each page's run."""
    memory = st.session_state
    if not memory.get(_USED) and not any(name in st.query_params for name in address.FRAME_PARAMETERS):
        return  # a millisecond less for nearly all visitors
    memory[_USED] = True
    groups = _requested("hide", _groups, address.one_of(hidden.GROUPS))
    if groups is not None:
        memory[hidden.KEY] = groups
    big = _requested("big", address.integer(0, 1), "`0`, `1`")
    if big is not None:
        memory[_BIG] = big == 1
    address.requested(
        address.FRAME,
        "lang",
        address.member(_LANGUAGES),
        lambda value: t("common.teaching.language", value=value),
    )
    address.write_view(
        address.FRAME,
        {
            "hide": ",".join(memory.get(hidden.KEY, ())) or None,
            "big": "1" if memory.get(_BIG) else None,
            "lang": address.written(address.FRAME, "lang"),
        },
    )


def style() -> str:
    """The styles of what is hidden or enlarged; empty for the usual frame."""
    memory = st.session_state
    parts = [style for group, style in _STYLES.items() if hidden.is_hidden(group)]
    parts += [_BIG_STYLE] if memory.get(_BIG) else []
    return f"<style>{''.join(parts)}</style>" if parts else ""


def _requested(name: str, parse: Callable[[str], T], allowed: str) -> T | None:
    return address.requested(address.FRAME, name, parse, address.problem(name, allowed))


def _groups(text: str) -> tuple[str, ...]:
    names = text.split(",", len(hidden.GROUPS))
    return tuple(dict.fromkeys(address.member(hidden.GROUPS)(name) for name in names))
