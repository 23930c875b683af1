"""A two-dimensional slider: a knob on a pad, dragged by mouse, touch or arrow keys, reported at most every 50 ms.

Streamlit's sliders report only when they are released; here the image follows the drag.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import streamlit as st


@dataclass(frozen=True)
class PadView:
    """What the pad shows: the ranges and names of both axes, rings around 0, and named points."""

    x_range: tuple[float, float]
    y_range: tuple[float, float]
    x_label: str
    y_label: str
    label: str
    rings: Sequence[float] = ()
    points: Sequence[tuple[float, float, str]] = ()
    backdrop: str | None = ""
    """Data URL of a background image that covers exactly the two ranges; None keeps the last one."""
    backdrop_alpha: float = 1.0
    pending: bool = False
    """Whether the pad is to report when it has not changed for a moment."""


_CSS = """
:host { display: block; }
.pad { position: relative; width: 100%; max-width: min(380px, 68vw); aspect-ratio: 1; margin: 0 auto; outline: none;
       border: 1px solid var(--st-border-color); border-radius: var(--st-base-radius);
       background: var(--st-secondary-background-color); touch-action: none; cursor: crosshair; user-select: none; }
.pad:focus-visible { box-shadow: 0 0 0 2px var(--st-primary-color); }
canvas { width: 100%; height: 100%; display: block; border-radius: inherit; }
"""

_JS = """
const INTERVAL = 50;                       // ms between two messages while dragging
const REST = 250;                          // ms without a change
const instances = new WeakMap();

function create(root) {
  const pad = root.querySelector(".pad"), canvas = root.querySelector("canvas"), context = canvas.getContext("2d");
  const self = { x: 0, y: 0, dragging: false, seen: null, data: null, send: null, timer: 0, rest: 0, last: 0 };
  let backdrop = null;
  const clamp = (v, [low, high]) => Math.min(high, Math.max(low, v));

  const toPixel = (x, y, size) => {
    const [x0, x1] = self.data.x_range, [y0, y1] = self.data.y_range, edge = 22;
    return [edge + (x - x0) / (x1 - x0) * (size - 2 * edge), size - edge - (y - y0) / (y1 - y0) * (size - 2 * edge)];
  };

  self.draw = () => {
    if (!self.data) return;
    const ratio = window.devicePixelRatio || 1, size = canvas.clientWidth;
    if (!size) return;
    if (canvas.width !== Math.round(size * ratio)) { canvas.width = canvas.height = Math.round(size * ratio); }
    const style = getComputedStyle(pad);
    const color = name => style.getPropertyValue(name).trim();
    const text = color("--st-text-color"), accent = color("--st-primary-color");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, size, size);
    const { x_range, y_range } = self.data;
    const x_axis = clamp(0, x_range), y_axis = clamp(0, y_range);

    if (backdrop && backdrop.complete) {
      context.globalAlpha = self.data.backdrop_alpha;
      context.imageSmoothingEnabled = backdrop.width > (size - 44) * ratio;   // sharp pixels if they are enlarged
      context.drawImage(backdrop, 22, 22, size - 44, size - 44);
      context.globalAlpha = 1;
    }
    const write = (words, x, y) => {         // with a halo, to be read over images
      if (backdrop) {
        context.strokeStyle = color("--st-background-color"); context.lineWidth = 3; context.lineJoin = "round";
        context.strokeText(words, x, y);
      }
      context.fillText(words, x, y);
    };

    context.lineWidth = 1;
    context.strokeStyle = text;
    context.globalAlpha = 0.28;
    const [cx, cy] = toPixel(0, 0, size), unit = toPixel(1, 0, size)[0] - cx;
    context.save();
    context.beginPath(); context.rect(0, 0, size, size); context.clip();
    for (const radius of self.data.rings) {
      context.beginPath(); context.arc(cx, cy, radius * unit, 0, 2 * Math.PI); context.stroke();
    }
    context.restore();
    if (self.data.rings.length) {
      context.beginPath();
      context.moveTo(...toPixel(x_range[0], y_axis, size)); context.lineTo(...toPixel(x_range[1], y_axis, size));
      context.moveTo(...toPixel(x_axis, y_range[0], size)); context.lineTo(...toPixel(x_axis, y_range[1], size));
      context.stroke();
    }
    context.globalAlpha = 1;
    context.fillStyle = text;
    context.font = "12px sans-serif";
    context.textAlign = "center";
    for (const [x, y, name] of self.data.points) {
      const [px, py] = toPixel(x, y, size);
      if (backdrop) {                        // below the middle of its image
        context.font = "10px sans-serif";
        write(name, px, toPixel(x, y - 0.5, size)[1] - 1);
        context.font = "12px sans-serif";
        continue;
      }
      context.globalAlpha = 0.45;
      context.beginPath(); context.arc(px, py, 2.5, 0, 2 * Math.PI); context.fill();
      context.globalAlpha = 0.75;
      context.fillText(name, px, py - 7);
    }
    context.globalAlpha = 0.8;
    context.textAlign = "right";
    write(self.data.x_label, size - 8, toPixel(0, y_axis, size)[1] + (self.data.rings.length ? 16 : 10));
    context.textAlign = "left";
    write(self.data.y_label, self.data.rings.length ? toPixel(x_axis, 0, size)[0] + 7 : 8, 16);
    context.globalAlpha = 1;

    const [kx, ky] = toPixel(self.x, self.y, size);
    context.beginPath(); context.arc(kx, ky, 10, 0, 2 * Math.PI);
    context.fillStyle = accent; context.fill();
    context.lineWidth = 2.5; context.strokeStyle = color("--st-background-color"); context.stroke();
    pad.setAttribute("aria-valuetext",
      `${self.data.x_label} ${self.x.toFixed(2)}, ${self.data.y_label} ${self.y.toFixed(2)}`);
  };

  self.setBackdrop = source => {
    if ((backdrop ? backdrop.src : "") === source) return;
    backdrop = source ? new Image() : null;
    if (source) { backdrop.onload = self.draw; backdrop.src = source; }
  };

  const report = () => {
    const now = performance.now(), wait = self.last + INTERVAL - now;
    clearTimeout(self.timer);
    if (wait > 0) { self.timer = setTimeout(report, wait); return; }
    self.last = now;
    self.send("at", { x: Math.round(self.x * 1000) / 1000, y: Math.round(self.y * 1000) / 1000, done: !self.dragging });
  };

  const move = (x, y) => {
    const nx = clamp(x, self.data.x_range), ny = clamp(y, self.data.y_range);
    if (nx === self.x && ny === self.y) return;
    self.x = nx; self.y = ny; self.draw(); report();
  };

  const follow = event => {
    const box = canvas.getBoundingClientRect(), edge = 22 * box.width / canvas.clientWidth;   // enlarged on a projector
    const inner = box.width - 2 * edge;
    const [x0, x1] = self.data.x_range, [y0, y1] = self.data.y_range;
    move(x0 + (event.clientX - box.left - edge) / inner * (x1 - x0),
         y1 - (event.clientY - box.top - edge) / inner * (y1 - y0));
  };

  pad.addEventListener("pointerdown", event => {
    pad.setPointerCapture(event.pointerId); self.dragging = true; follow(event);
  });
  pad.addEventListener("pointermove", event => { if (self.dragging) follow(event); });
  const release = () => { if (self.dragging) { self.dragging = false; report(); } };
  pad.addEventListener("pointerup", release);
  pad.addEventListener("pointercancel", release);
  pad.addEventListener("keydown", event => {
    const direction = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (!direction) return;
    event.preventDefault();
    const stride = event.shiftKey ? 0.5 : 0.1;
    move(self.x + direction[0] * stride, self.y + direction[1] * stride);
  });
  self.observer = new ResizeObserver(self.draw);
  self.observer.observe(canvas);
  return self;
}

export default function ({ parentElement, data, setStateValue, setTriggerValue }) {
  let self = instances.get(parentElement);
  if (!self) { self = create(parentElement); instances.set(parentElement, self); }
  self.data = data.view;
  if (data.view.backdrop !== null) self.setBackdrop(data.view.backdrop);
  self.send = setStateValue;
  parentElement.querySelector(".pad").setAttribute("aria-label", data.view.label);
  // Python moves the knob only if it changed something itself (a slider, reset): echoes of a drag come late.
  if (self.seen !== data.moved && !self.dragging) { self.x = data.x; self.y = data.y; }
  self.seen = data.moved;
  self.draw();
  clearTimeout(self.rest);
  if (data.view.pending)
    self.rest = setTimeout(() => { if (!self.dragging) setTriggerValue("rest", true); }, REST);
  // Called on theme changes too, so each call releases what it created; also runs when the pad is removed.
  return () => { clearTimeout(self.timer); clearTimeout(self.rest); self.observer.disconnect(); };
}
"""
_component = st.components.v2.component(
    "genmodels_pad",
    html='<div class="pad" role="slider" tabindex="0" aria-valuenow="0"><canvas></canvas></div>',
    css=_CSS,
    js=_JS,
)


def pad(
    view: PadView,
    at: tuple[float, float],
    *,
    key: str,
    on_move: Callable[[], None],
    moved: int,
    on_rest: Callable[[], None] | None = None,
) -> None:
    """Show the pad. The knob moves to `at` only when `moved` has changed. `on_rest`: see `PadView.pending`.

    Pass the same `moved` during a drag: responses come late, and the knob must not follow them.
    """
    data = {"view": asdict(view), "x": at[0], "y": at[1], "moved": moved}
    _component(key=key, data=data, on_at_change=on_move, on_rest_change=on_rest or _ignore)


def _ignore() -> None:
    """The callback of a pad that does not report its rest."""


def position(key: str) -> tuple[float, float] | None:
    """The position that the user has dragged the knob to, or None."""
    at = (st.session_state.get(key) or {}).get("at")
    return (float(at["x"]), float(at["y"])) if at else None


def is_released(key: str) -> bool:
    """Whether the last move ended a drag or was made by a key."""
    at = (st.session_state.get(key) or {}).get("at")
    return bool(at and at["done"])
