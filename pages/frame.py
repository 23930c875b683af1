"""The frame around every page: navigation, logo, window title."""

from __future__ import annotations

import gc
import sys
from pathlib import Path

import streamlit as st

from pages.components import address, layout, share, teaching, theme, upload_limits, waiting
from pages.components.i18n import t

_PAGES = {
    "": {"gallery": ":material/grid_view:"},
    "explore": {
        "latent": ":material/open_with:",
        "seeds": ":material/grain:",
        "manifold": ":material/scatter_plot:",
        "conditional": ":material/tune:",
        "flow": ":material/air:",
    },
    "create": {
        "translate": ":material/swap_horiz:",
        "stylize": ":material/palette:",
        "paint": ":material/brush:",
        "speak": ":material/record_voice_over:",
    },
    "test": {
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
def _freeze_loaded_objects(with_torch: bool) -> None:
    """Freeze loaded objects so the garbage collector skips them (gc.freeze): once per server, and after torch's import.

    With torch's 250,000 objects a full collection takes 30 to 60 ms, during which no other thread runs.
    """
    gc.collect()
    gc.freeze()


waiting.install()
# Computing threads release the interpreter's lock after 1 ms, not 5: a slider's script acquires it about fifty times.
sys.setswitchinterval(0.001)
# Called again below with the page's name; the layout must be set before any element.
st.set_page_config(page_title=t("common.app"), page_icon=theme.icon(), layout="wide")
st.logo(theme.logo(), size="large")
st.html(theme.STYLE + layout.STYLE)
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
# The default page has the address "/" alone. A hidden page redirects from "/gallery", which Streamlit would otherwise
# report as unknown.
_gallery = _pages[""][0]
_pages[""].append(
    st.Page(lambda: st.switch_page(_gallery), title=_gallery.title, url_path="gallery", visibility="hidden")
)
_page = st.navigation(_pages, position="top")
st.set_page_config(page_title=t("common.window_title", page=_page.title, app=t("common.app")))
if _page is _gallery:
    address.follow()
_name = _page.url_path or "gallery"
theme.mark_section(next(place for place, stems in enumerate(_PAGES.values(), 1) if _name in stems))
address.enter(_name)
teaching.read()
if _style := teaching.style():
    st.html(_style)
_share = share.begin()
upload_limits.begin_run()
try:
    _page.run()
finally:  # also if the user's next action ends this run
    address.leave()
share.show(_share, _name)
st.caption(t("common.gradio"))
upload_limits.end_run()
_freeze_loaded_objects("torch" in sys.modules)
