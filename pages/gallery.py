"""Gallery, the first page: a map that moves by itself, four entries, and the list of models."""

from __future__ import annotations

import time
from pathlib import Path

import streamlit as st
from streamlit.runtime import Runtime

from pages.components.i18n import t
from pages.components.theme import page_title
from pages.parts.gallery import entries, hero

_STYLE = (Path(__file__).parent / "parts" / "gallery" / "gallery.css").read_text(encoding="utf-8")
# Seconds in which a browser paints the map before it receives the list: both together take it half a second longer.
# A comment: Streamlit would show a string that stands alone.
_HEAD_START = 0.6

page_title(t("gallery.title"), t("gallery.intro"))
st.html(f"<style>{_STYLE}</style>")
hero.show()
entries.show()
if "gallery_shown" not in st.session_state and Runtime.exists():
    time.sleep(_HEAD_START)
st.session_state["gallery_shown"] = True
# The list needs torch, whose import takes seconds on a new server: what is above is shown before.
from pages.parts.gallery import listing  # noqa: E402

listing.show()
entries.credits()
