"""Before/after comparison: two images of one size with a border to drag by mouse, touch or arrow keys.

An invisible native range input lies over both images. It supports keyboard, touch and screen readers, and dragging it
sends nothing to the server.
"""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from pages.components.tiles import data_url


@dataclass(frozen=True)
class Side:
    """One of the two images (`kind` is png or jpeg), its caption and its alternative text."""

    image: bytes
    kind: str
    caption: str
    alt: str


_CSS = """
:host { display: block; }
figure { margin: 0; font-family: var(--st-font); color: var(--st-text-color); }
.frame { position: relative; margin: 0 auto; aspect-ratio: var(--ratio); min-width: 44px; min-height: 44px;
         width: min(100%, var(--wide), calc(68vh * var(--ratio))); overflow: hidden; box-sizing: border-box;
         border: 1px solid var(--st-border-color); border-radius: var(--st-base-radius);
         background: repeating-conic-gradient(#8884 0 25%, #8881 0 50%) 0 0 / 16px 16px; }
.frame:has(input:focus-visible) { box-shadow: 0 0 0 3px var(--st-primary-color); }
img { position: absolute; inset: 0; width: 100%; height: 100%; object-fit: contain; }
img.pixels { image-rendering: pixelated; }
.before { clip-path: inset(0 calc(100% - var(--at)) 0 0); }
.after { clip-path: inset(0 0 0 var(--at)); }
.border { position: absolute; top: 0; bottom: 0; left: var(--at); width: 2px; margin-left: -1px; background: #fff;
          box-shadow: 0 0 3px #000a; pointer-events: none; }
.border::after { content: "\\2039\\2009\\203A"; position: absolute; top: 50%; left: 50%; width: 2.1rem; height: 2.1rem;
          transform: translate(-50%, -50%); border-radius: 50%; background: #fff; color: #1d2a2e; text-align: center;
          line-height: 1.75rem; font-size: 1.5rem; box-shadow: 0 0 4px #000a; }
input { position: absolute; inset: 0; width: 100%; height: 100%; margin: 0; opacity: 0; cursor: ew-resize;
        appearance: none; touch-action: pan-y; }
input::-webkit-slider-thumb { appearance: none; width: 2px; height: 100vh; }
input::-moz-range-thumb { width: 2px; height: 100vh; border: 0; }
figcaption { display: flex; justify-content: space-between; gap: 1rem; margin: 0.3rem auto 0; font-size: 0.95rem;
             width: min(100%, max(var(--wide), 12rem)); }
"""
_JS = """
export default function ({ parentElement, data }) {
  const find = name => parentElement.querySelector(name);
  const frame = find(".frame"), input = find("input"), figure = find("figure");
  const move = () => {
    frame.style.setProperty("--at", input.value + "%");
    input.setAttribute("aria-valuetext", data.value_text.replace("{percent}", 100 - input.value));
  };
  figure.style.setProperty("--ratio", data.width / data.height);
  figure.style.setProperty("--wide", data.wide + "px");
  for (const side of ["before", "after"]) {
    const image = find("." + side);
    if (image.src !== data[side].src) image.src = data[side].src;
    image.alt = data[side].alt;
    image.classList.toggle("pixels", data.width < 64);
    find(".caption-" + side).textContent = data[side].caption;
  }
  input.setAttribute("aria-label", data.label);
  input.oninput = move;
  move();
}
"""
_component = st.components.v2.component(
    "genmodels_before_after",
    html=(
        '<figure><div class="frame"><img class="before" alt=""><img class="after" alt=""><div class="border"></div>'
        '<input type="range" min="0" max="100" value="50" step="1"></div><figcaption>'
        '<span class="caption-before"></span><span class="caption-after"></span></figcaption></figure>'
    ),
    css=_CSS,
    js=_JS,
)


def before_after(before: Side, after: Side, size: tuple[int, int], *, label: str, value_text: str, key: str) -> None:
    """Show both images at `size` (width, height); small ones are enlarged without smoothing.

    `value_text` describes the position of the border; "{percent}" in it is replaced by the visible part of `after`.
    """
    width, height = size
    data = {
        side: {"src": data_url(one.image, one.kind), "caption": one.caption, "alt": one.alt}
        for side, one in (("before", before), ("after", after))
    }
    wide = width if width >= 512 else min(512, width * max(1, 512 // width))
    _component(
        key=key,
        data={**data, "width": width, "height": height, "wide": wide, "label": label, "value_text": value_text},
    )
