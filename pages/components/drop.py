"""A file dropped anywhere onto a page: if it contains a view, its beginning goes to the server, which opens the view.

Only the first bytes leave the browser, and only those of a file with our key. A file field keeps the files dropped onto
it; other files are ignored, where a browser would leave the page to show them.
"""

from __future__ import annotations

import base64
import binascii

import streamlit as st

from pages.components import view_file

_KEY = "share_dropped"
_HEAD = 2_000 + view_file.MAX_TEXT
"""Bytes in which a view ends: before it are at most the colours and the loop of a GIF."""

_JS = """
const FIELDS = '[data-testid="stFileUploader"], input[type="file"]';

export default function ({ data, setTriggerValue }) {
  const isFile = event => event.dataTransfer && [...event.dataTransfer.types].includes("Files");
  const isField = event => event.composedPath().some(node => node.matches && node.matches(FIELDS));
  const over = event => {
    if (isFile(event) && !isField(event)) event.preventDefault();    // else the browser would not send the drop
  };
  const drop = async event => {
    if (!isFile(event) || isField(event)) return;
    event.preventDefault();
    const file = event.dataTransfer.files[0];
    if (!file) return;
    const bytes = new Uint8Array(await file.slice(0, data.head).arrayBuffer());
    const text = Array.from(bytes, byte => String.fromCharCode(byte)).join("");
    if (text.includes(data.word)) setTriggerValue("file", btoa(text));
  };
  document.addEventListener("dragover", over);
  document.addEventListener("drop", drop);
  return () => {
    document.removeEventListener("dragover", over);
    document.removeEventListener("drop", drop);
  };
}
"""
_component = st.components.v2.component("genmodels_drop", html="<i hidden></i>", js=_JS)


def dropped() -> bytes | None:
    """Listen for dropped files, and return the beginning of one that was dropped just now and may contain a view."""
    _component(key=_KEY, data={"head": _HEAD, "word": view_file.KEY}, on_file_change=_ignore, height=0)
    sent = (st.session_state.get(_KEY) or {}).get("file")
    if not isinstance(sent, str) or len(sent) > 2 * _HEAD:
        return None
    try:
        return base64.b64decode(sent, validate=True)
    except binascii.Error:
        return None


def _ignore() -> None:
    """The callback that the component needs in order to run the page."""
