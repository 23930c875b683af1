"""A sortable table: one row per model with a link, a button in each heading, missing values with their reason.

Sorting happens in the browser. Rows without a value come last in both directions. In a narrow window the columns scroll
sideways under fixed names.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import streamlit as st

from pages.components import table_parts


@dataclass(frozen=True)
class Heading:
    """A column's name, what it means, and the text of its button for screen readers."""

    name: str
    meaning: str
    sort: str


@dataclass(frozen=True)
class Cell:
    """A value as text and as what it is sorted by; `reason` says why there is none, `link` is an address."""

    text: str
    order: float | str | None = None
    reason: str = ""
    small: str = ""
    link: str = ""


_CSS = """
.frame { overflow-x: auto; position: relative; }
.frame:focus-visible { outline: 2px solid var(--st-primary-color); }
table { border-collapse: collapse; width: 100%; min-width: 62rem; font-size: 0.86rem; }
th, td { padding: 0.35rem 0.5rem; border-bottom: 1px solid var(--st-border-color); vertical-align: top;
         text-align: left; font-variant-numeric: tabular-nums; }
tbody th, thead th:first-child { position: sticky; left: 0; background: var(--st-background-color); z-index: 1;
         min-width: 8.5rem; font-weight: 400; overflow-wrap: anywhere; }
td:last-child { min-width: 13rem; font-size: 0.8rem; }
button { font: inherit; font-weight: 600; font-size: 0.8rem; color: inherit; background: none; border: 0; padding: 0;
         cursor: pointer; text-align: left; }
button:focus-visible, a:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: 2px; }
a { color: var(--st-link-color, var(--st-primary-color)); }
.small, .missing { font-size: 0.76rem; opacity: 0.75; }
.small { display: block; }
"""
_JS = """
export default function ({ parentElement, data }) {
  const frame = parentElement.querySelector(".frame"), table = frame.querySelector("table");
  frame.setAttribute("aria-label", data.label);
  table.sorting ??= { column: 1, up: true };
  const draw = () => {
    const { column, up } = table.sorting;
    const head = make("tr", "");
    data.heads.forEach((heading, index) => {
      const cell = make("th", "", { scope: "col", title: heading.meaning });
      const mark = index === column ? (up ? " \\u25B2" : " \\u25BC") : "";
      const button = make("button", heading.name + mark, { type: "button" });
      button.setAttribute("aria-label", heading.sort);
      if (index === column) cell.setAttribute("aria-sort", up ? "ascending" : "descending");
      button.addEventListener("click", () => {
        table.sorting = { column: index, up: index === column ? !up : true };
        draw();
        table.querySelectorAll("thead button")[index].focus();
      });
      cell.append(button);
      head.append(cell);
    });
    const order = (a, b) => {
      const [x, y] = [a[column].order, b[column].order];
      if (x === null || y === null) return (x === null) - (y === null);
      return (x < y ? -1 : x > y ? 1 : 0) * (up ? 1 : -1);
    };
    const rows = [...data.rows].sort(order).map(row => {
      const line = make("tr", "");
      line.append(...row.map((value, index) => {
        const cell = index ? make("td", "") : make("th", "", { scope: "row" });
        if (value.link) cell.append(make("a", value.text, { href: value.link, target: "_self" }));
        else cell.append(make("span", value.text, { className: value.reason ? "missing" : "", title: value.reason }));
        if (value.reason) cell.append(make("span", " " + value.reason, { className: "hidden" }));
        if (value.small) cell.append(make("span", value.small, { className: "small" }));
        return cell;
      }));
      return line;
    });
    fill(table, data.label, head, rows);
  };
  draw();
}
"""
_component = st.components.v2.component(
    "genmodels_families",
    html='<div class="frame" tabindex="0" role="region"><table></table></div>',
    css=table_parts.CSS + _CSS,
    js=table_parts.JS + _JS,
)


def families_table(rows: Sequence[Sequence[Cell]], *, heads: Sequence[Heading], label: str, key: str) -> None:
    """Show the rows, one cell per heading, sorted by the second column first."""
    _component(
        key=key,
        data={
            "rows": [[asdict(cell) for cell in row] for row in rows],
            "heads": [asdict(head) for head in heads],
            "label": label,
        },
    )
