"""Small bar charts of probabilities side by side, on one axis from 0 to 1, updated while a digit is drawn.

One element for all charts, updated in place: Plotly would redraw eight figures at each report of the canvas, and one
figure with eight charts could not wrap in a narrow window. Each chart has its own alternative text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import streamlit as st


@dataclass(frozen=True)
class Panel:
    """One chart: title, verdict above the bars, note below, one bar per label; `odd` highlights the verdict."""

    title: str
    verdict: str
    note: str
    values: tuple[float, ...]
    top: int
    alt: str
    odd: bool = False


_CSS = """
:host { display: block; }
.panels { display: grid; gap: 1.1rem 1rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 165px), 1fr));
          font-family: var(--st-font); color: var(--st-text-color); }
.panel { margin: 0; min-width: 0; display: grid; grid-row: span 4; grid-template-rows: subgrid; row-gap: 0.15rem; }
.title { font-size: 0.9rem; font-weight: 600; line-height: 1.25; overflow-wrap: anywhere; align-self: end; }
.verdict { font-size: 0.95rem; font-variant-numeric: tabular-nums; }
.verdict.odd { color: var(--st-orange-text-color, #a4480f); font-weight: 600; }
.note { font-size: 0.8rem; line-height: 1.35; opacity: 0.85; font-variant-numeric: tabular-nums; }
.plot { position: relative; height: 104px; padding: 0 0 1.15rem 1.9rem; margin-top: 0.35rem; }
.line { position: absolute; left: 1.9rem; right: 0; border-top: 1px solid var(--st-border-color); }
.line span { position: absolute; right: calc(100% + 0.3rem); top: -0.6em; font-size: 0.7rem; opacity: 0.8; }
.bars { position: relative; display: flex; gap: 3px; height: 100%; align-items: flex-end; }
.bar { flex: 1; min-width: 0; height: 100%; position: relative; }
.fill { position: absolute; bottom: 0; left: 0; right: 0; background: var(--st-text-color); opacity: 0.38;
        border-radius: 2px 2px 0 0; min-height: 1px; }
.bar.top .fill { background: var(--st-primary-color); opacity: 1; }
.bar.top.odd .fill { background: var(--st-orange-text-color, #a4480f); }
.bar span { position: absolute; top: calc(100% + 0.1rem); left: 0; right: 0; text-align: center; font-size: 0.75rem; }
.bar.top span { font-weight: 700; }
"""
_JS = """
function make(tag, name) { const element = document.createElement(tag); element.className = name; return element; }

function create(count) {
  const panel = make("figure", "panel"), plot = make("div", "plot"), bars = make("div", "bars");
  plot.setAttribute("role", "img");
  for (const [fraction, text] of [[0, "1"], [0.5, "0.5"], [1, "0"]]) {
    const line = make("div", "line"), label = make("span", "");
    line.style.top = `calc((100% - 1.15rem) * ${fraction})`;
    label.textContent = text;
    line.append(label); plot.append(line);
  }
  for (let i = 0; i < count; i++) {
    const bar = make("div", "bar"), label = make("span", "");
    label.textContent = i;
    bar.append(make("div", "fill"), label); bars.append(bar);
  }
  plot.append(bars);
  panel.append(make("div", "title"), make("div", "verdict"), plot, make("figcaption", "note"));
  return panel;
}

export default function ({ parentElement, data }) {
  const panels = parentElement.querySelector(".panels");
  panels.setAttribute("aria-label", data.label);
  while (panels.children.length > data.panels.length) panels.lastChild.remove();
  while (panels.children.length < data.panels.length) panels.append(create(data.panels[0].values.length));
  data.panels.forEach((one, index) => {
    const panel = panels.children[index], find = name => panel.querySelector(name);
    find(".title").textContent = one.title;
    find(".verdict").textContent = one.verdict;
    find(".verdict").className = one.odd ? "verdict odd" : "verdict";
    find(".note").textContent = one.note;
    find(".plot").setAttribute("aria-label", one.alt);
    panel.querySelectorAll(".bar").forEach((bar, place) => {
      bar.className = "bar" + (place === one.top ? " top" : "") + (one.odd ? " odd" : "");
      bar.title = `${place}: ${one.values[place].toFixed(3)}`;
      bar.firstChild.style.height = `${100 * Math.min(1, one.values[place])}%`;
    });
  });
}
"""
_component = st.components.v2.component(
    "genmodels_bars", html='<div class="panels" role="group"></div>', css=_CSS, js=_JS
)


def bars(panels: Sequence[Panel], *, label: str, key: str) -> None:
    """Show the charts; `label` names the group."""
    rounded = [{**asdict(panel), "values": [round(value, 4) for value in panel.values]} for panel in panels]
    _component(key=key, data={"label": label, "panels": rounded})
