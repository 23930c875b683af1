"""Small pictures with a line of text above or below each, delivered inside the message that carries the page.

One component for all of them: forty `st.image` are forty elements and forty requests (0.4 s), this is one message.
Each picture has an alternative text of its own, and captions are text, so both themes and a screen reader do well.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st


@dataclass(frozen=True)
class Tile:
    """A picture (`kind` is png or jpeg), what stands below and above it, and its text for those who cannot see it."""

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
  // The elements stay where they are and only change: nothing flickers while something is dragged or drawn.
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
    // Pixels stay squares where the picture is enlarged; reduced, they would only tear it.
    const soften = () => image.classList.toggle("smooth", data.smooth || image.naturalWidth > data.width);
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
    """A picture as an address that carries it."""
    return f"data:image/{kind};base64,{base64.b64encode(image).decode()}"


def flow(pictures: Sequence[Tile], *, label: str, width: int, key: str) -> None:
    """Show any number of pictures `width` pixels wide, as many side by side as fit; `label` names the whole list."""
    _show(pictures, key=key, layout="flow", width=width, label=label, smooth=False)


def row(pictures: Sequence[Tile], *, width: int, key: str, smooth: bool = False) -> None:
    """Show a few pictures side by side, each at most `width` pixels wide; pixels stay squares unless `smooth`."""
    _show(pictures, key=key, layout="row", width=width, label="", smooth=smooth)


def _show(pictures: Sequence[Tile], *, key: str, **settings: Any) -> None:
    tiles = [
        {"src": data_url(tile.image, tile.kind), "caption": tile.caption, "alt": tile.alt, "above": tile.above}
        for tile in pictures
    ]
    _component(key=key, data={**settings, "tiles": tiles})
