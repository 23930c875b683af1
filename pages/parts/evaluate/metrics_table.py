"""A table of metrics with explanations, which move below the values in a narrow window.

A Markdown table would shrink its last column to one word per line. ARIA roles are explicit, because a browser does not
treat rows with a grid layout as rows of a table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import streamlit as st


@dataclass(frozen=True)
class Row:
    """A metric; only `name` is set in a heading."""

    name: str
    value: str = ""
    expected: str = ""
    text: str = ""


_CSS = """
:host { display: block; }
.frame { container-type: inline-size; font-family: var(--st-font); color: var(--st-text-color); }
table { border-collapse: collapse; width: 100%; font-size: 0.95rem; line-height: 1.4; }
th, td { text-align: left; vertical-align: top; padding: 0.35rem 0.75rem 0.35rem 0; font-weight: 400; }
tr { border-bottom: 1px solid var(--st-border-color); }
thead th { font-size: 0.85rem; opacity: 0.8; }
.group th { font-weight: 650; padding-top: 1.1rem; }
.value { font-weight: 650; text-align: right; padding-right: 1.5rem; white-space: nowrap;
         font-variant-numeric: tabular-nums; }
thead .value { font-weight: 400; }
.expected { white-space: nowrap; }
tbody .name { min-width: 11rem; }
@container (max-width: 640px) {
  thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  table, tbody { display: block; }
  tr { display: grid; grid-template-columns: 1fr auto; padding: 0.3rem 0; }
  th, td { padding: 0.1rem 0; }
  .value { padding: 0.1rem 0 0.1rem 0.75rem; }
  .expected, .text { grid-column: 1 / -1; white-space: normal; opacity: 0.85; font-size: 0.88rem; }
  .expected::before { content: attr(data-head) ": "; }
  .expected:empty, .text:empty { display: none; }
}
"""
_JS = """
const PARTS = ["name", "value", "expected", "text"];

export default function ({ parentElement, data }) {
  const table = parentElement.querySelector("table");
  table.setAttribute("aria-label", data.label);
  const parts = PARTS.filter(part => part !== "expected" || data.rows.some(row => row.expected));
  const line = (row, heading) => {
    const tr = document.createElement("tr");
    tr.setAttribute("role", "row");
    const group = !heading && !row.value;
    if (group) tr.className = "group";
    for (const part of group ? ["name"] : parts) {
      const cell = document.createElement(heading || group ? "th" : "td");
      cell.className = part;
      cell.setAttribute("role", heading ? "columnheader" : group ? "rowheader" : "cell");
      if (group) cell.colSpan = parts.length;
      cell.dataset.head = data.head[part];
      cell.textContent = row[part];
      tr.append(cell);
    }
    return tr;
  };
  table.querySelector("thead").replaceChildren(line(data.head, true));
  table.querySelector("tbody").replaceChildren(...data.rows.map(row => line(row, false)));
}
"""
_component = st.components.v2.component(
    "genmodels_metrics",
    html='<div class="frame"><table role="table"><thead role="rowgroup"></thead><tbody role="rowgroup"></tbody>'
    "</table></div>",
    css=_CSS,
    js=_JS,
)


def metrics_table(head: Row, rows: Sequence[Row], *, label: str, key: str) -> None:
    """Show the rows under `head`; the column `expected` is left out if it is empty."""
    _component(key=key, data={"label": label, "head": asdict(head), "rows": [asdict(row) for row in rows]})
