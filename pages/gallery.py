"""Gallery, the first page: a map that moves by itself, four entries, and the list of models."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from pages.components.i18n import t
from pages.components.theme import page_title
from pages.parts.gallery import entries, hero

_STYLE = (Path(__file__).parent / "parts" / "gallery" / "gallery.css").read_text(encoding="utf-8")

page_title(t("gallery.title"), t("gallery.intro"))
st.html(f"<style>{_STYLE}</style>")
hero.show()
entries.show()
# The list needs torch, whose import takes seconds on a new server: what is above is shown before.
from pages.parts.gallery import listing  # noqa: E402

listing.show()
