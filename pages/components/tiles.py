"""Lists of small images with a line of text above or below each, sent inside the page's message.

One component for all images: forty `st.image` are forty elements and forty requests (0.4 s), this is one message. Each
image has its own alternative text, and captions are text, which suits both themes and screen readers.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st


@dataclass(frozen=True)
class Tile:
    """An image (`kind` is png or jpeg), the texts below and above it, and its alternative text."""

    image: bytes
    caption: str
    alt: str
    above: str = ""
    kind: str = "png"


_CSS = """
ul { list-style: none; margin: 0; padding: 0; color: var(--st-text-color); font-family: var(--st-font); }
li { margin: 0; }
figure { margin: 0; max-width: 100%; display: flex; flex-direction: column; gap: 0.3rem; text-align: center; }
img { width: 100%; display: block; image-rendering: pixelated; border: 1px solid var(--st-border-color);
      border-radius: 4px; box-sizing: border-box; background: #000; }
img.smooth { image-rendering: auto; background: none; }
figcaption, .above { font-size: 0.9rem; line-height: 1.3; }
.above { font-weight: 600; }
.above:empty, figcaption:empty { display: none; }
.row { display: flex; gap: 0.75rem; justify-content: center; }
.flow { display: grid; gap: 0.6rem 0.5rem; grid-template-columns: repeat(auto-fill, minmax(var(--tile), 1fr)); }
.flow figure { width: var(--tile); gap: 0; }
.flow figcaption { font-size: 0.8rem; overflow: hidden; text-overflow: ellipsis; white-space: pre; }
"""
_JS = """
export default function ({ parentElement, data }) {
  const list = parentElement.querySelector("ul"), count = data.tiles.length;
  list.className = data.layout;
  list.style.setProperty("--tile", data.width + "px");
  if (data.label) list.setAttribute("aria-label", data.label); else list.removeAttribute("aria-label");
  // Elements are updated in place, so nothing flickers during a drag or while something is drawn.
  while (list.children.length > count) list.lastChild.remove();
  while (list.children.length < count) {
    const item = document.createElement("li"), figure = document.createElement("figure");
    const above = document.createElement("div"), image = document.createElement("img");
    above.className = "above";
    figure.append(above, image, document.createElement("figcaption"));
    item.append(figure);
    list.append(item);
  }
  data.tiles.forEach((tile, index) => {
    const item = list.children[index], [above, image, caption] = item.firstChild.children;
    item.style.width = data.layout === "row"
      ? `min(${data.width}px, calc((100% - ${count - 1} * 0.75rem) / ${count}))` : "";
    // An enlarged digit keeps square pixels; a photograph, and what is reduced, is smoothed.
    const soften = () => image.classList.toggle(
      "smooth", data.smooth || image.naturalWidth >= Math.min(64, data.width + 1));
    image.onload = soften;
    soften();
    if (image.src !== tile.src) image.src = tile.src;
    image.alt = tile.alt;
    image.title = data.layout === "flow" ? tile.alt : "";
    above.textContent = tile.above;
    caption.textContent = tile.caption;
  });
}
"""
_component = st.components.v2.component("genmodels_tiles", html="<ul></ul>", css=_CSS, js=_JS)


def data_url(image: bytes, kind: str = "png") -> str:
    """The image as a data URL."""
    return f"data:image/{kind};base64,{base64.b64encode(image).decode()}"


def flow(images: Sequence[Tile], *, label: str, width: int, key: str) -> None:
    """Show any number of images `width` pixels wide, in as many columns as fit; `label` names the list."""
    _show(images, key=key, layout="flow", width=width, label=label, smooth=False)


def row(images: Sequence[Tile], *, width: int, key: str, smooth: bool = False) -> None:
    """Show a few images side by side, each at most `width` pixels wide; smoothly if `smooth` or from 64 pixels."""
    _show(images, key=key, layout="row", width=width, label="", smooth=smooth)


def _show(images: Sequence[Tile], *, key: str, **settings: Any) -> None:
    tiles = [
        {"src": data_url(tile.image, tile.kind), "caption": tile.caption, "alt": tile.alt, "above": tile.above}
        for tile in images
    ]
    _component(key=key, data={**settings, "tiles": tiles})
