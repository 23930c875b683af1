"""The frame around every page: the list of pages, the mark, the window's title."""

from __future__ import annotations

import gc
import sys
from pathlib import Path

import streamlit as st

from pages.components import address, theme, upload_limits, waiting
from pages.components.i18n import t

_PAGES = {
    "": {"gallery": ":material/grid_view:"},
    "explore": {
        "latent": ":material/open_with:",
        "seeds": ":material/grain:",
        "manifold": ":material/scatter_plot:",
        "conditional": ":material/tune:",
    },
    "create": {
        "translate": ":material/swap_horiz:",
        "stylize": ":material/palette:",
        "paint": ":material/brush:",
        "speak": ":material/record_voice_over:",
    },
    "judge": {
        "classify": ":material/quiz:",
        "compare": ":material/compare:",
        "evaluate": ":material/analytics:",
    },
    "learn": {
        "data": ":material/photo_library:",
        "train": ":material/model_training:",
        "runs": ":material/monitoring:",
    },
}


@st.cache_resource(show_spinner=False)
def _spare_the_collector(with_torch: bool) -> None:
    """Take what is loaded by now out of the garbage collector's sight, once for a server, again when torch has come.

    With torch's 250,000 objects in sight a full collection costs 30 to 60 ms, during which no other thread runs;
    without them next to nothing.
    """
    gc.collect()
    gc.freeze()


waiting.install()
# Threads that compute give the interpreter's lock up after 1 ms, not 5: a slider's script takes it some fifty times.
sys.setswitchinterval(0.001)
# Set again with the page's name below; the layout must be known before anything is drawn.
st.set_page_config(page_title=t("common.app"), page_icon=theme.icon(), layout="wide")
st.logo(theme.logo(), size="large")
st.html(theme.STYLE)
_pages = {
    t(f"common.nav.{section}") if section else "": [
        st.Page(
            Path(__file__).parent / f"{stem}.py",
            title=t(f"common.nav.{stem}"),
            icon=icon,
            url_path=stem if stem != "gallery" else "home",
            default=stem == "gallery",
        )
        for stem, icon in stems.items()
    ]
    for section, stems in _PAGES.items()
}
# The default page lives at "/" alone. Whoever types its name as the others are typed would be told there is no such
# page, and a default page keeps the name it was given from any other.
_gallery = _pages[""][0]
_pages[""].append(
    st.Page(lambda: st.switch_page(_gallery), title=_gallery.title, url_path="gallery", visibility="hidden")
)
_page = st.navigation(_pages, position="top")
st.set_page_config(page_title=t("common.window_title", page=_page.title, app=t("common.app")))
address.enter(_page.url_path or "gallery")
upload_limits.begin_run()
_page.run()
upload_limits.end_run()
_spare_the_collector("torch" in sys.modules)
