"""A table of metrics: one row per metric with its explanation, one column per model, the best value of a row marked.

The explanations are <details> elements, which work with mouse, touch, keyboard and screen readers. In a narrow window
the values scroll sideways under fixed names.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import streamlit as st

from pages.components import table_parts


@dataclass(frozen=True)
class ValueText:
    """A value as text, with a smaller line below it; `muted` if there is no value."""

    text: str
    small: str = ""
    best: bool = False
    muted: bool = False


@dataclass(frozen=True)
class MetricText:
    """A row: the metric's name, the direction of better values, its meaning, and the values."""

    name: str
    direction: str
    explanation: str
    source: str
    link: str
    values: tuple[ValueText, ...]


_CSS = """
.frame { overflow-x: auto; position: relative; }
.frame:focus-visible { outline: 2px solid var(--st-primary-color); }
table { border-collapse: collapse; width: 100%; min-width: calc(9.5rem + var(--columns) * 6.2rem); font-size: 0.9rem; }
th, td { padding: 0.4rem 0.6rem; border-bottom: 1px solid var(--st-border-color); vertical-align: top;
         text-align: left; }
thead th { font-weight: 600; font-size: 0.82rem; overflow-wrap: break-word; vertical-align: bottom; }
tbody th { font-weight: 400; position: sticky; left: 0; background: var(--st-background-color); width: 42%;
           min-width: 8.3rem; max-width: 26rem; }
summary { cursor: pointer; }
summary:focus-visible { outline: 2px solid var(--st-primary-color); }
.direction { opacity: 0.75; font-size: 0.78rem; display: block; padding-left: 1rem; }
details p { margin: 0.35rem 0 0.2rem; font-size: 0.82rem; line-height: 1.4; max-width: 34rem; }
a { color: var(--st-link-color, var(--st-primary-color)); }
td { font-variant-numeric: tabular-nums; }
td .small { display: block; font-size: 0.76rem; opacity: 0.75; }
td.muted { font-size: 0.82rem; } td.muted > span { opacity: 0.75; }
td.best > .number { font-weight: 700; color: var(--st-green-text-color, #157a3a); }
.star { margin-left: 0.25rem; }
@media (max-width: 640px) { th, td { padding: 0.35rem 0.4rem; } }
"""
_JS = """
export default function ({ parentElement, data }) {
  const frame = parentElement.querySelector(".frame"), table = frame.querySelector("table");
  const open = new Set([...table.querySelectorAll("details[open]")].map(one => one.dataset.name));
  frame.setAttribute("aria-label", data.label);
  table.style.setProperty("--columns", data.heads.length);
  const head = make("tr", "");
  const heading = text => {                 // a name breaks after an underscore, never inside a word
    const cell = make("th", "", { scope: "col" });
    for (const part of text.split(/(?<=_)/)) cell.append(part, document.createElement("wbr"));
    return cell;
  };
  head.append(heading(data.corner), ...data.heads.map(heading));
  const rows = data.rows.map(row => {
    const line = make("tr", ""), name = make("th", "", { scope: "row" }), more = make("details", "");
    more.dataset.name = row.name;
    more.open = open.has(row.name);
    const words = make("p", row.explanation + " ");
    if (row.link) words.append(make("a", row.source, { href: row.link, target: "_blank", rel: "noopener" }));
    else words.append(row.source);
    more.append(make("summary", row.name), words);
    name.append(more, make("span", row.direction, { className: "direction" }));
    line.append(name, ...row.values.map(value => {
      const cell = make("td", "", { className: (value.best ? "best " : "") + (value.muted ? "muted" : "") });
      cell.append(make("span", value.text, { className: "number" }));
      if (value.best) {
        const star = make("span", "\\u2605", { className: "star" });
        star.setAttribute("aria-hidden", "true");
        cell.append(star, make("span", data.best, { className: "hidden" }));
      }
      if (value.small) cell.append(make("span", value.small, { className: "small" }));
      return cell;
    }));
    return line;
  });
  fill(table, data.label, head, rows);
}
"""
_component = st.components.v2.component(
    "genmodels_compared_metrics",
    html='<div class="frame" tabindex="0" role="region"><table></table></div>',
    css=table_parts.CSS + _CSS,
    js=table_parts.JS + _JS,
)


def metrics_table(
    rows: Sequence[MetricText], *, heads: Sequence[str], corner: str, best: str, label: str, key: str
) -> None:
    """Show the rows under `heads`, one per column; screen readers read `best` for a marked value."""
    _component(
        key=key,
        data={
            "rows": [asdict(row) for row in rows],
            "heads": list(heads),
            "corner": corner,
            "best": best,
            "label": label,
        },
    )
