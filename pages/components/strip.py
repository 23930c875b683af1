"""A row of small images with captions, which the browser cuts out of one sheet in the page's message.

One PNG per row needs one encoding and no separate request. Each tile still is an image with its own alternative text,
and the row wraps in a narrow window.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import streamlit as st

from pages.components.tiles import data_url


@dataclass(frozen=True)
class TileText:
    """The texts of a tile: alternative text, a sign before it, a line above, lines below; `warn` marks the first."""

    alt: str
    above: str = ""
    below: tuple[str, ...] = ()
    before: str = ""
    warn: bool = False


_CSS = """
:host { display: block; }
.frame { container-type: inline-size; font-family: var(--st-font); color: var(--st-text-color); }
.strip { display: grid; gap: 0.6rem 0.4rem; }
.strip.row { grid-template-columns: repeat(var(--columns), minmax(0, 1fr)); max-width: calc(var(--columns) * 9rem); }
.strip.sum { display: flex; flex-wrap: wrap; gap: 0.8rem 0.6rem; align-items: flex-start; }
@container (max-width: 700px) { .strip.row.foldable { grid-template-columns: repeat(calc(var(--columns) / 2),
  minmax(0, 1fr)); } }
figure { margin: 0; min-width: 0; text-align: center; }
.row figure { display: grid; grid-row: span var(--parts); grid-template-rows: subgrid; row-gap: 0; }
.row .above { align-self: end; }
.sum figure { display: grid; grid-template-columns: auto 6rem; }
.sum .sign { align-self: center; font-size: 1.25rem; white-space: nowrap; grid-column: 1;
             padding-right: 0.6rem; }
.sum .above, .sum canvas, .sum figcaption { grid-column: 2; }
.sum .above { grid-row: 1; } .sum canvas, .sum .sign { grid-row: 2; }
.above { font-size: 0.8rem; min-height: 1.3em; overflow-wrap: anywhere; }
canvas { display: block; width: 100%; image-rendering: pixelated; background: #000; box-sizing: border-box;
         border: 1px solid var(--st-border-color); border-radius: calc(var(--st-base-radius) / 2); }
figcaption { font-size: 0.78rem; line-height: 1.35; margin-top: 0.2rem; font-variant-numeric: tabular-nums; }
figcaption .warn { color: var(--st-orange-text-color, #a4480f); font-weight: 600; }
"""
_JS = """
const calls = new WeakMap();

export default async function ({ parentElement, data }) {
  const strip = parentElement.querySelector(".strip");
  const call = (calls.get(strip) || 0) + 1;
  calls.set(strip, call);
  const sheet = new Image();
  sheet.src = data.src;
  await sheet.decode();
  if (calls.get(strip) !== call) return;       // a newer message arrived while this sheet was decoded
  strip.className = `strip ${data.layout}` + (data.columns > 8 && data.columns % 2 === 0 ? " foldable" : "");
  strip.style.setProperty("--columns", data.columns);
  const above = data.tiles.some(tile => tile.above);
  strip.style.setProperty("--parts", above ? 3 : 2);        // rows of a figure that align with those of its neighbours
  strip.setAttribute("aria-label", data.label);
  const make = (tag, name, text) => {
    const element = document.createElement(tag);
    element.className = name;
    element.textContent = text;
    return element;
  };
  strip.replaceChildren(...data.tiles.map((tile, index) => {
    const figure = document.createElement("figure"), canvas = document.createElement("canvas");
    canvas.width = data.width;
    canvas.height = data.height;
    if (data.width >= 64) canvas.style.imageRendering = "auto";     // a photograph
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", tile.alt);
    canvas.getContext("2d").drawImage(sheet, index * data.width, 0, data.width, data.height,
                                      0, 0, data.width, data.height);
    const caption = make("figcaption", "", "");
    caption.append(...tile.below.map((line, row) => make("div", row === 0 && tile.warn ? "warn" : "", line)));
    if (tile.before) figure.append(make("div", "sign", tile.before));
    if (above) figure.append(make("div", "above", tile.above));
    figure.append(canvas, caption);
    return figure;
  }));
  strip.dataset.src = data.src;
}
"""
_component = st.components.v2.component(
    "genmodels_strip",
    html='<div class="frame"><div class="strip" role="group"></div></div>',
    css=_CSS,
    js=_JS,
)


def strip(
    png: bytes,
    size: tuple[int, int],
    tiles: Sequence[TileText],
    *,
    label: str,
    key: str,
    columns: int | None = None,
) -> None:
    """Show the tiles of a sheet, digits enlarged without smoothing; `size` is the (width, height) of a tile in pixels.

    With `columns` in rows (more than 8 columns are halved in a narrow window), else as an equation.
    """
    data = {
        "src": data_url(png),
        "width": size[0],
        "height": size[1],
        "columns": columns or len(tiles),
        "layout": "row" if columns else "sum",
        "label": label,
        "tiles": [asdict(tile) for tile in tiles],
    }
    _component(key=key, data=data)
