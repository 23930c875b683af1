"""A table of small images, which the browser cuts out of one sheet: one column per class, one row per seed.

It is an HTML table, so a screen reader reads row and column of each image. Marks do not rely on colour alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import streamlit as st

from pages.components import table_parts
from pages.components.tiles import data_url


@dataclass(frozen=True)
class ImageText:
    """The alternative text of an image, and a short mark to highlight it."""

    alt: str
    mark: str = ""


_CSS = """
table { border-collapse: separate; border-spacing: 2px; table-layout: fixed; width: 100%;
        max-width: calc(var(--columns) * 4.2rem + var(--names) + 0.4rem); margin: 0; }
th { font-weight: 600; font-size: 0.85rem; line-height: 1.2; text-align: center; padding: 0 0 0.15rem;
     overflow: hidden; text-overflow: ellipsis; font-variant-numeric: tabular-nums; }
tbody th { font-weight: 400; font-size: 0.75rem; text-align: right; padding: 0 0.3rem 0 0; }
.corner { width: var(--names); font-weight: 400; font-size: 0.7rem; text-align: right; padding-right: 0.3rem; }
td { padding: 0; position: relative; }
canvas { display: block; width: 100%; image-rendering: pixelated; background: #000; box-sizing: border-box;
         border-radius: 2px; }
.marked canvas { outline: 2px solid #e8730c; outline-offset: -2px; }
.mark { position: absolute; right: 0; bottom: 0; background: #e8730c; color: #000; font-size: 0.72rem; font-weight: 700;
        line-height: 1; padding: 0.1rem 0.22rem; border-radius: 3px 0 2px 0; }
@media (max-width: 640px) { th { font-size: 0.7rem; } .corner { width: calc(var(--names) * 0.75); }
  tbody th { font-size: 0.65rem; }
  .mark { font-size: 0.6rem; padding: 0.05rem 0.12rem; } }
"""
_JS = """
const calls = new WeakMap();

export default async function ({ parentElement, data }) {
  const table = parentElement.querySelector("table");
  const call = (calls.get(table) || 0) + 1;
  calls.set(table, call);
  const sheet = new Image();
  sheet.src = data.src;
  await sheet.decode();
  if (calls.get(table) !== call) return;       // a newer message came while this sheet was decoded
  const columns = data.heads.length;
  table.style.setProperty("--columns", columns);
  const longest = Math.max(data.corner.length, ...data.rows.map(name => name.length));
  table.style.setProperty("--names", `${Math.max(2.6, 0.9 + 0.42 * longest)}rem`);
  const head = make("tr", "");
  head.append(make("th", data.corner, { className: "corner", scope: "col" }),
              ...data.heads.map(text => make("th", text, { scope: "col", title: text })));
  const rows = data.rows.map((name, row) => {
    const line = make("tr", "");
    line.append(make("th", name, { scope: "row" }), ...data.heads.map((_, column) => {
      const image = data.images[row * columns + column], cell = make("td", "");
      const canvas = make("canvas", "", { width: data.width, height: data.height });
      if (data.width >= 64) canvas.style.imageRendering = "auto";     // a photograph
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", image.alt);
      canvas.title = image.alt;
      canvas.getContext("2d").drawImage(sheet, column * data.width, row * data.height, data.width, data.height,
                                        0, 0, data.width, data.height);
      cell.append(canvas);
      if (image.mark) {
        cell.className = "marked";
        const mark = make("span", image.mark, { className: "mark" });
        mark.setAttribute("aria-hidden", "true");
        cell.append(mark);
      }
      return cell;
    }));
    return line;
  });
  fill(table, data.label, head, rows);
  table.dataset.src = data.src;
}
"""
_component = st.components.v2.component(
    "genmodels_image_table",
    html='<div class="frame"><table></table></div>',
    css=table_parts.CSS + _CSS,
    js=table_parts.JS + _JS,
)


def image_table(
    png: bytes,
    size: tuple[int, int],
    images: Sequence[ImageText],
    *,
    heads: Sequence[str],
    rows: Sequence[str],
    corner: str,
    label: str,
    key: str,
) -> None:
    """Show a sheet of len(rows) x len(heads) images, row by row; `size` is the (width, height) of each.

    `corner` is the heading of the rows' names; `label` is the table's caption for screen readers.
    """
    _component(
        key=key,
        data={
            "src": data_url(png),
            "width": size[0],
            "height": size[1],
            "heads": list(heads),
            "rows": list(rows),
            "corner": corner,
            "label": label,
            "images": [asdict(image) for image in images],
        },
    )
