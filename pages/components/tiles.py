"""Many small pictures with a line of text below each, in rows that follow the window's width.

One component for all of them: forty `st.image` are forty elements and forty requests (0.4 s), this is one message.
Each picture has an alternative text of its own, and captions are text, so both themes and a screen reader do well.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st


@dataclass(frozen=True)
class Tile:
    """A picture (`kind` is png or jpeg), what stands below it, and what it is called for those who cannot see it."""

    image: bytes
    kind: str
    caption: str
    alt: str


_CSS = """
ul { list-style: none; margin: 0; padding: 0; display: grid; gap: 0.6rem 0.5rem;
     grid-template-columns: repeat(auto-fill, minmax(var(--tile), 1fr)); }
li { margin: 0; }
figure { margin: 0; width: var(--tile); max-width: 100%; }
img { width: 100%; display: block; image-rendering: pixelated; border: 1px solid var(--st-border-color);
      border-radius: 4px; box-sizing: border-box; background: var(--st-secondary-background-color); }
img.smooth { image-rendering: auto; }
figcaption { color: var(--st-text-color); font-family: var(--st-font); font-size: 0.8rem; line-height: 1.3;
             text-align: center; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
"""
_JS = """
export default function ({ parentElement, data }) {
  const list = parentElement.querySelector("ul");
  list.style.setProperty("--tile", data.side + "px");
  list.setAttribute("aria-label", data.label);
  list.replaceChildren(...data.tiles.map(tile => {
    const item = document.createElement("li"), figure = document.createElement("figure");
    const image = document.createElement("img");
    image.alt = tile.alt;
    image.title = tile.alt;
    image.addEventListener("load", () => image.classList.toggle("smooth", image.naturalWidth > data.side));
    image.src = tile.src;
    figure.append(image);
    if (tile.caption) {
      const caption = document.createElement("figcaption");
      caption.textContent = tile.caption;
      figure.append(caption);
    }
    item.append(figure);
    return item;
  }));
}
"""
_component = st.components.v2.component("genmodels_tiles", html="<ul></ul>", css=_CSS, js=_JS)


def tiles(pictures: Sequence[Tile], *, label: str, side: int, key: str) -> None:
    """Show the pictures `side` pixels wide; `label` names the whole list."""
    _component(
        key=key,
        data={
            "label": label,
            "side": side,
            "tiles": [
                {
                    "src": f"data:image/{tile.kind};base64,{base64.b64encode(tile.image).decode()}",
                    "caption": tile.caption,
                    "alt": tile.alt,
                }
                for tile in pictures
            ],
        },
    )
