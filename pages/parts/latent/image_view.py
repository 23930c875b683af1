"""One small image, enlarged, sent inside the page's message.

With `st.image` the browser loads the image in a second request; here its few hundred bytes are sent as a data URL. The
<img> element is updated in place, so nothing flickers while the pad is dragged.
"""

from __future__ import annotations

import streamlit as st

from pages.components.tiles import data_url

_CSS = """
figure { margin: 0; display: flex; flex-direction: column; align-items: center; gap: 0.4rem; }
img { width: 100%; max-width: min(380px, 46vw); image-rendering: pixelated; border-radius: var(--st-base-radius);
      border: 1px solid var(--st-border-color); background: #000; box-sizing: border-box; }
img.smooth { image-rendering: auto; }
figcaption { color: var(--st-text-color); font-family: var(--st-font); font-size: 0.95rem; min-height: 1.4em;
             text-align: center; }
"""
_JS = """
export default function ({ parentElement, data }) {
  const image = parentElement.querySelector("img");
  const caption = parentElement.querySelector("figcaption");
  image.onload = () => image.classList.toggle("smooth", image.naturalWidth >= 64);
  if (image.src !== data.src) image.src = data.src;
  image.alt = data.alt;
  caption.textContent = data.caption;
}
"""
_component = st.components.v2.component(
    "genmodels_image_view",
    html='<figure><img role="img" alt=""><figcaption></figcaption></figure>',
    css=_CSS,
    js=_JS,
)


def image_view(png: bytes, *, alt: str, caption: str, key: str) -> None:
    """Show a PNG enlarged: a photograph of 64 pixels or more smoothly, a smaller image with square pixels."""
    _component(key=key, data={"src": data_url(png), "alt": alt, "caption": caption})
