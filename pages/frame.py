"""The frame around every page: the list of pages, the mark, the window's title."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from pages.components import theme
from pages.components.i18n import t

_ICONS = {
    "gallery": ":material/grid_view:",
    "latent": ":material/open_with:",
    "train": ":material/model_training:",
    "runs": ":material/monitoring:",
}

st.set_page_config(page_title=t("common.app"), page_icon=theme.icon(), layout="wide")
st.logo(theme.mark(), size="large")
_pages = [
    st.Page(
        Path(__file__).parent / f"{stem}.py",
        title=t(f"common.nav.{stem}"),
        icon=icon,
        url_path=stem,
        default=stem == "gallery",
    )
    for stem, icon in _ICONS.items()
    if (Path(__file__).parent / f"{stem}.py").exists()
]
st.navigation(_pages, position="top").run()
