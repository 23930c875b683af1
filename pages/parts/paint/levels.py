"""The distribution of a pixel value: a bar per level, the level's grey below it, the sampled level marked.

It is drawn on a canvas and updated in place: a Plotly figure with 256 bars cannot follow a drag over an image.
"""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

_CSS = """
:host { display: block; }
figure { margin: 0; color: var(--st-text-color); font-family: var(--st-font); }
canvas { display: block; width: 100%; height: 190px; }
figcaption { font-size: 0.85rem; line-height: 1.4; margin-top: 0.2rem; font-variant-numeric: tabular-nums; }
"""
_JS = """
const instances = new WeakMap();

function draw(canvas, data) {
  const ratio = window.devicePixelRatio || 1, width = canvas.clientWidth, height = canvas.clientHeight;
  if (!width) return;
  canvas.width = Math.round(width * ratio); canvas.height = Math.round(height * ratio);
  const context = canvas.getContext("2d"), style = getComputedStyle(canvas);
  const color = name => style.getPropertyValue(name).trim();
  const text = color("--st-text-color"), accent = color("--st-primary-color");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.font = `12px ${color("--st-font") || "sans-serif"}`;
  const left = 40, right = 8, top = 10, ramp = 12, bottom = 26 + ramp, count = data.values.length;
  const high = height - top - bottom, step = (width - left - right) / count, base = top + high;
  const most = data.top, x = level => left + level * step, y = value => base - high * Math.min(1, value / most);
  context.strokeStyle = color("--st-border-color"); context.fillStyle = text; context.lineWidth = 1;
  context.textAlign = "right"; context.textBaseline = "middle";
  for (const fraction of [0, 0.5, 1]) {
    const line = Math.round(y(most * fraction)) + 0.5;
    context.beginPath(); context.moveTo(left, line); context.lineTo(width - right, line); context.stroke();
    context.fillText(fraction ? String(Number((most * fraction).toPrecision(2))) : "0", left - 6, line);
  }
  const gap = step > 4 ? Math.min(8, step / 5) : 0;
  data.values.forEach((value, level) => {
    context.fillStyle = level === data.level ? "#f2711c" : accent;
    const from = y(value);
    context.fillRect(x(level) + gap / 2, from, Math.max(step - gap, 0.7), base - from);
  });
  if (data.own.length) {
    context.strokeStyle = text; context.lineWidth = 1.2; context.beginPath();
    data.own.forEach((value, level) => { context.lineTo(x(level), y(value)); context.lineTo(x(level + 1), y(value)); });
    context.stroke();
  }
  for (let level = 0; level < count; level++) {
    const fraction = count > 1 ? level / (count - 1) : 0, ink = data.ink.map(end => Math.round(255 * fraction * end));
    context.fillStyle = `rgb(${ink.join(",")})`;
    context.fillRect(x(level), base + 4, Math.ceil(step), ramp);
  }
  context.strokeStyle = color("--st-border-color"); context.lineWidth = 1;
  context.strokeRect(left, base + 4, width - left - right, ramp);
  if (data.level !== null) {                       // to find even a level of probability 0.001
    const middle = x(data.level) + step / 2;
    context.fillStyle = "#f2711c"; context.beginPath(); context.moveTo(middle, base + ramp + 5);
    context.lineTo(middle - 5, base + ramp + 13); context.lineTo(middle + 5, base + ramp + 13); context.fill();
  }
  context.fillStyle = text; context.textBaseline = "alphabetic";
  context.textAlign = "left"; context.fillText("0", left, height - 3);
  context.textAlign = "right"; context.fillText(count - 1, width - right, height - 3);
  context.textAlign = "center"; context.fillText(data.axis, (left + width - right) / 2, height - 3);
}

export default function ({ parentElement, data }) {
  const canvas = parentElement.querySelector("canvas");
  canvas.setAttribute("aria-label", data.alt);
  parentElement.querySelector("figcaption").textContent = data.caption;
  let observer = instances.get(parentElement);
  if (observer) observer.disconnect();
  observer = new ResizeObserver(() => draw(canvas, data));
  observer.observe(canvas);
  instances.set(parentElement, observer);
  draw(canvas, data);
  return () => observer.disconnect();
}
"""
_component = st.components.v2.component(
    "genmodels_paint_levels",
    html='<figure><canvas role="img"></canvas><figcaption></figcaption></figure>',
    css=_CSS,
    js=_JS,
)
_LIGHT = ((1.0, 1.0, 1.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))


def levels_chart(
    values: Sequence[float],
    own: Sequence[float],
    level: int | None,
    *,
    axis: str,
    caption: str,
    alt: str,
    key: str,
    colour: int | None = None,
) -> None:
    """Show a distribution; `own` as a line if it differs, `level` in orange, `colour` 0 to 2 in red, green, blue."""
    differs = any(abs(a - b) > 1e-6 for a, b in zip(values, own, strict=True))
    data = {
        "values": [round(value, 5) for value in values],
        "own": [round(value, 5) for value in own] if differs else [],
        "top": max(*values, *(own if differs else ())),
        "level": level,
        "ink": _LIGHT[0 if colour is None else colour + 1],
        "axis": axis,
        "caption": caption,
        "alt": alt,
    }
    _component(key=key, data=data)
