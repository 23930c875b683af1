"""The layout of pages that compute something: main controls, the result, and secondary controls.

Wide screens show all controls at the left of the result. On narrow ones the result comes before the secondary controls,
so that it is near the button that was pressed.
"""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

# Streamlit wraps each container in an element of its own: the three children of the keyed one are these wrappers.
STYLE = """<style>
.stVerticalBlock[class*="_workspace"] {
  display: grid; grid-template-columns: minmax(0, 7fr) minmax(0, 13fr); grid-template-rows: auto 1fr;
  column-gap: 3rem; align-items: start;
}
.stVerticalBlock[class*="_workspace_wide"] { grid-template-columns: minmax(0, 1fr) minmax(0, 3fr); }
.stVerticalBlock[class*="_workspace"] > :nth-child(2) { grid-column: 2; grid-row: 1 / span 2; }
@media (max-width: 767px) {
  .stVerticalBlock[class*="_workspace"] { display: flex; }
  button[data-variant="pills"] { padding-inline: 0.55rem; min-width: 1.95rem; }  /* ten digits fit in a row */
  [data-testid="stLayoutWrapper"]:has(> .st-key-stylize_fast_results) { order: -1; }
  .st-key-stylize_content_shown { display: none; }  /* the result below shows the photograph too */
}
</style>"""


@dataclass(frozen=True)
class Workspace:
    """Three containers, to be filled in any order."""

    controls: DeltaGenerator
    result: DeltaGenerator
    more: DeltaGenerator


def workspace(name: str) -> Workspace:
    """The three containers of the page or part `name`, inside the container `<name>_workspace`."""
    return _within(f"{name}_workspace")


def wide_workspace(name: str) -> Workspace:
    """As `workspace`, with three quarters of the width for the result; the container is `<name>_workspace_wide`."""
    return _within(f"{name}_workspace_wide")


def _within(key: str) -> Workspace:
    with st.container(key=key):
        return Workspace(st.container(), st.container(), st.container())
