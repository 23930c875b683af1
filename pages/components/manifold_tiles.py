"""A row of small pictures with captions, delivered inside the message that carries the page: no second request."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st


@dataclass(frozen=True)
class Tile:
    """A PNG, what stands below it, and what it shows for somebody who cannot see it."""

    png: bytes
    caption: str
    alt: str
    above: str = ""


_CSS = """
.row { display: flex; gap: 0.75rem; justify-content: center; font-family: var(--st-font);
       color: var(--st-text-color); }
figure { margin: 0; display: flex; flex-direction: column; align-items: center; gap: 0.3rem; text-align: center; }
img { width: 100%; box-sizing: border-box; border-radius: var(--st-base-radius);
      border: 1px solid var(--st-border-color); }
.sharp { image-rendering: pixelated; background: #000; }
figcaption, .above { font-size: 0.9rem; line-height: 1.3; min-height: 1.2em; }
.above { font-weight: 600; }
.above:empty, figcaption:empty { display: none; }
"""
_JS = """
export default function ({ parentElement, data }) {
  const row = parentElement.querySelector(".row");
  // The elements stay where they are and only change: nothing flickers while something is dragged or drawn.
  while (row.children.length > data.tiles.length) row.lastChild.remove();
  while (row.children.length < data.tiles.length) {
    const figure = document.createElement("figure");
    const above = document.createElement("div"); above.className = "above";
    figure.append(above, document.createElement("img"), document.createElement("figcaption"));
    row.append(figure);
  }
  const count = Math.max(1, data.tiles.length);
  data.tiles.forEach((tile, index) => {
    const figure = row.children[index], [above, image, caption] = figure.children;
    figure.style.width = `min(${data.width}px, calc((100% - ${count - 1} * 0.75rem) / ${count}))`;
    image.className = data.smooth ? "" : "sharp";
    if (image.src !== tile.src) image.src = tile.src;
    image.alt = tile.alt;
    above.textContent = tile.above;
    caption.textContent = tile.caption;
  });
}
"""
_component = st.components.v2.component("genmodels_tiles", html='<div class="row"></div>', css=_CSS, js=_JS)


def data_url(png: bytes) -> str:
    """A PNG as an address that carries it."""
    return "data:image/png;base64," + base64.b64encode(png).decode()


def tiles(pictures: Sequence[Tile], *, key: str, width: int, smooth: bool = False) -> None:
    """Show pictures in one row, each at most `width` pixels wide; pixels stay squares unless `smooth`."""
    shown = [
        {"src": data_url(tile.png), "caption": tile.caption, "alt": tile.alt, "above": tile.above} for tile in pictures
    ]
    _component(key=key, data={"tiles": shown, "width": width, "smooth": smooth})
