"""The map at the top of the gallery: it moves by itself until it is touched, then it is a pad.

The browser blends the four decoded codes around the ring, so it moves at the display's rate without the server, and
without torch: the map is a file of `pages/assets`.
"""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from genmodels.runs import catalog
from genmodels.runs.folder import CONFIG
from pages.components import assets
from pages.components.i18n import t
from pages.parts.gallery import latent_map

_PATH = (
    (1.8, 2.2), (3.6, 3.2), (5, 6.4), (6.8, 8.5), (9.2, 8.4), (12, 9), (15, 8.3), (17, 7), (17, 5), (15, 3.2),
    (16.2, 1.6), (19, 2.4), (22, 4), (22, 8), (23.6, 12), (23, 16), (22, 20), (20.3, 22), (17.5, 19.8), (15, 17),
    (12.3, 14.2), (9, 15), (6.8, 16.5), (6, 19.5), (4.6, 21.3), (2.6, 19.3), (0.8, 16), (1.2, 12.5), (3, 10.4),
    (4.8, 9.4), (4, 7.3), (1.6, 5),
)  # fmt: skip
"""Points (column, row) of the map that the ring passes, chosen where the decoded digits are clear."""

_TEXTS = ("lead", "how", "note", "pad", "digit", "value", "play", "play_help", "pause", "open", "open_help")

_HTML = """<section class="hero">
  <div class="stage"><canvas class="digit" role="img"></canvas></div>
  <div class="pad" role="slider" tabindex="0" aria-valuemin="0" aria-valuemax="100" aria-valuenow="0">
    <canvas class="map"></canvas>
  </div>
  <div class="words">
    <p class="lead"></p>
    <div class="buttons"><button class="open" type="button"></button><button class="play" type="button"></button></div>
    <details><summary></summary><p class="note"></p></details>
  </div>
</section>"""
_JS = Path(__file__).with_name("hero.js").read_text(encoding="utf-8")
_CSS = Path(__file__).with_name("hero.css").read_text(encoding="utf-8")
_component = st.components.v2.component("genmodels_hero", html=_HTML, css=_CSS, js=_JS)


def show() -> None:
    """Show the map; its button opens the latent explorer at the same place, if the model is on this server."""
    texts = {name: t(f"gallery.hero.{name}") for name in _TEXTS}
    if not (catalog.checkpoints_root() / latent_map.MODEL / CONFIG).is_file():
        texts["open"] = ""  # hides the button
    data = {
        "sprite": assets.data_url(latent_map.FILE),
        "side": latent_map.SIDE,
        "pixels": latent_map.PIXELS,
        "axis": latent_map.AXIS,
        "path": _PATH,
        "texts": texts,
    }
    opened = _component(key="gallery_hero", data=data, on_open_change=lambda: None).open
    if opened:
        _open(float(opened["x"]), float(opened["y"]))


def _open(x: float, y: float) -> None:
    """Open the latent explorer at z = (x, y): truncation 0 leaves only what the sliders add."""
    place = {"truncation": "0", "axes": "first", "z": f"{x:.2f}_{y:.2f}"}
    st.switch_page("latent.py", query_params={"model": latent_map.MODEL, **place})
