"""A canvas to draw on by mouse, touch, pen, or arrow keys and the space bar; white ink on black, as in MNIST.

Streamlit has no drawing widget. The browser sends the drawing during a stroke, at most every 150 ms, and at its end, as
140x140 grey bytes, which `genmodels.images.drawing` validates and prepares.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import streamlit as st

from genmodels.images import drawing
from pages.components.i18n import t
from pages.components.tiles import data_url

_CSS = """
:host { display: block; }
.board { width: 100%; max-width: min(320px, 82vw); margin: 0 auto; font-family: var(--st-font); }
.paper { position: relative; width: 100%; aspect-ratio: 1; background: #000; box-sizing: border-box; outline: none;
         border: 1px solid var(--st-border-color); border-radius: var(--st-base-radius); overflow: hidden;
         touch-action: none; cursor: crosshair; user-select: none; }
.paper:focus-visible { box-shadow: 0 0 0 3px var(--st-primary-color); }
canvas { position: absolute; inset: 0; width: 100%; height: 100%; display: block; }
.hint { position: absolute; inset: 0; display: flex; align-items: center; justify-content: center; padding: 12%;
        text-align: center; color: #9aa5a9; font-size: 0.95rem; pointer-events: none; }
.row { display: flex; gap: 0.5rem; margin-top: 0.5rem; }
button { flex: 1; min-height: 2.5rem; font: inherit; font-size: 0.95rem; color: var(--st-text-color); cursor: pointer;
         background: var(--st-background-color); border: 1px solid var(--st-border-color);
         border-radius: var(--st-base-radius); }
button:hover:not(:disabled), button:focus-visible { border-color: var(--st-primary-color);
         color: var(--st-primary-color); outline: none; }
button:focus-visible { box-shadow: 0 0 0 2px var(--st-primary-color); }
button:disabled { opacity: 0.45; cursor: default; }
.status { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
"""

_JS = """
const INTERVAL = 150, SIDE = __SIDE__, STRIDE = 0.03;
const instances = new WeakMap();

function create(root) {
  const find = name => root.querySelector(name);
  const paper = find(".paper"), canvas = find("canvas"), hint = find(".hint"), status = find(".status");
  const undo = find(".undo"), clear = find(".clear");
  const self = { strokes: [], open: null, base: null, under: null, example: null, touched: false,
                 brush: [0.5, 0.5], inking: false, keys: false, data: null, send: null, timer: 0, last: 0,
                 cleared: null };

  const stroke = (context, points, size) => {
    // Quadratic curves between the midpoints of neighbouring points: no corners, no lag.
    const at = ([x, y]) => [x * size, y * size];
    context.beginPath();
    context.moveTo(...at(points[0]));
    for (let i = 1; i < points.length - 1; i++) {
      const [x, y] = at(points[i]), [u, v] = at(points[i + 1]);
      context.quadraticCurveTo(x, y, (x + u) / 2, (y + v) / 2);
    }
    context.lineTo(...at(points[points.length - 1]));
    context.stroke();
  };
  const ink = (context, size) => {
    if (self.base) context.drawImage(self.base, 0, 0, size, size);
    context.strokeStyle = "#fff"; context.lineCap = context.lineJoin = "round";
    context.lineWidth = self.data.brush * size;
    for (const points of self.strokes) stroke(context, points, size);
  };
  const isEmpty = () => !self.strokes.length && !self.base;

  self.draw = () => {
    const ratio = window.devicePixelRatio || 1, size = canvas.clientWidth;
    if (!size || !self.data) return;
    if (canvas.width !== Math.round(size * ratio)) canvas.width = canvas.height = Math.round(size * ratio);
    const context = canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, size, size);
    if (self.under) {
      context.imageSmoothingEnabled = false; context.drawImage(self.under, 0, 0, size, size);
      context.imageSmoothingEnabled = true;
    }
    if (self.example) context.drawImage(self.example, 0, 0, size, size);
    ink(context, size);
    if (self.keys) {
      const [x, y] = self.brush.map(value => value * size), radius = Math.max(6, self.data.brush * size / 2 + 2);
      context.strokeStyle = self.inking ? "#f2965a" : "#4cc3c8"; context.lineWidth = 2;
      context.beginPath(); context.arc(x, y, radius, 0, 2 * Math.PI); context.stroke();
    }
    hint.hidden = !isEmpty() || !!self.under || !!self.example;
    hint.style.display = hint.hidden ? "none" : "flex";
    undo.disabled = !self.strokes.length; clear.disabled = isEmpty() && !self.example;
  };

  const pixels = () => {
    if (isEmpty()) return "";
    const small = document.createElement("canvas");
    small.width = small.height = SIDE;
    const context = small.getContext("2d", { willReadFrequently: true });
    context.fillStyle = "#000"; context.fillRect(0, 0, SIDE, SIDE);
    ink(context, SIDE);
    const colors = context.getImageData(0, 0, SIDE, SIDE).data;
    let text = "";
    for (let i = 0; i < colors.length; i += 4) text += String.fromCharCode(colors[i]);
    return btoa(text);
  };
  const report = () => {
    clearTimeout(self.timer);
    const wait = self.open ? self.last + INTERVAL - performance.now() : 0;
    if (wait > 0) { self.timer = setTimeout(report, wait); return; }
    self.last = performance.now();
    self.send("ink", pixels());
  };
  const changed = () => { self.touched = true; self.example = null; self.draw(); report(); };
  const place = event => {
    const box = canvas.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  };
  const announce = key => { status.textContent = self.data.texts[key]; };
  const penUp = () => { self.inking = false; self.open = null; };

  paper.addEventListener("pointerdown", event => {
    if (event.button > 0 || (self.open && !self.inking)) return;    // one pointer at a time: the palm must not draw
    penUp();
    self.keys = false;
    paper.setPointerCapture(event.pointerId);
    self.open = [place(event)]; self.pointer = event.pointerId;
    self.strokes.push(self.open);
    changed();
  });
  paper.addEventListener("pointermove", event => {
    if (!self.open || event.pointerId !== self.pointer) return;
    const missed = event.getCoalescedEvents ? event.getCoalescedEvents() : [];
    for (const one of missed.length ? missed : [event]) {
      const [x, y] = place(one), [u, v] = self.open[self.open.length - 1];
      if (Math.hypot(x - u, y - v) > 0.004) self.open.push([x, y]);
    }
    changed();
  });
  const release = event => {
    if (self.open && event.pointerId === self.pointer) { penUp(); self.pointer = null; changed(); }
  };
  paper.addEventListener("pointerup", release);
  paper.addEventListener("pointercancel", release);

  const takeBack = () => { penUp(); self.strokes.pop(); changed(); announce("undone"); };
  const wipe = () => { penUp(); self.strokes = []; self.base = null; changed(); announce("cleared"); };
  self.wipe = () => { penUp(); self.strokes = []; self.base = null; changed(); };
  undo.addEventListener("click", takeBack);
  clear.addEventListener("click", wipe);
  paper.addEventListener("keydown", event => {
    const direction = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    const acts = direction || [" ", "Enter", "Backspace", "Delete"].includes(event.key);
    if (!acts || self.pointer != null) return;
    event.preventDefault();
    self.keys = true;
    if (direction) {
      const stride = event.shiftKey ? 3 * STRIDE : STRIDE;
      self.brush = self.brush.map((value, axis) => Math.min(1, Math.max(0, value + direction[axis] * stride)));
      if (self.inking) { self.open.push([...self.brush]); changed(); } else self.draw();
    } else if (event.key === "Backspace") { if (self.strokes.length) takeBack(); }
    else if (event.key === "Delete") wipe();
    else if (self.inking) { penUp(); changed(); announce("up"); }
    else {
      self.inking = true; self.open = [[...self.brush]];
      self.strokes.push(self.open); changed(); announce("down");
    }
  });
  paper.addEventListener("blur", () => { if (self.keys) { if (self.inking) { penUp(); report(); } self.keys = false;
                                                          self.draw(); } });
  self.observer = new ResizeObserver(self.draw);
  self.observer.observe(canvas);
  return self;
}

function image(source, done) {
  const loaded = new Image();
  loaded.onload = () => done(loaded);
  loaded.src = source;
}

export default function ({ parentElement, data, setStateValue }) {
  let self = instances.get(parentElement);
  if (!self) {
    self = create(parentElement);
    instances.set(parentElement, self);
    self.cleared = data.cleared;
    // A drawing from before the page was left is restored as an image, whose strokes cannot be undone.
    if (data.before) image(data.before, loaded => { self.base = loaded; self.draw(); });
    // The first stroke replaces the example, which is no part of the drawing.
    if (data.example) image(data.example, loaded => { if (!self.touched) { self.example = loaded; self.draw(); } });
  }
  self.data = data;
  self.send = setStateValue;
  parentElement.querySelector(".paper").setAttribute("aria-label", data.texts.label);
  parentElement.querySelector(".hint").textContent = data.texts.hint;
  parentElement.querySelector(".undo").textContent = data.texts.undo;
  parentElement.querySelector(".clear").textContent = data.texts.clear;
  if (self.cleared !== data.cleared) { self.cleared = data.cleared; self.wipe(); }
  if (self.shown !== data.under) {
    self.shown = data.under; self.under = null;
    if (data.under) image(data.under, loaded => {
      if (self.shown === data.under) { self.under = loaded; self.draw(); }
    });
  }
  self.draw();
  return () => { clearTimeout(self.timer); self.observer.disconnect(); };
}
""".replace("__SIDE__", str(drawing.CANVAS_SIDE))
_component = st.components.v2.component(
    "genmodels_canvas",
    html=(
        '<div class="board"><div class="paper" role="application" tabindex="0"><canvas></canvas>'
        '<div class="hint" aria-hidden="true"></div></div>'
        '<div class="row"><button type="button" class="undo"></button><button type="button" class="clear"></button>'
        '</div><div class="status" role="status" aria-live="polite"></div></div>'
    ),
    css=_CSS,
    js=_JS,
)
BRUSH = 0.085
"""Width of the brush as a fraction of the canvas: a digit drawn over most of it has MNIST's stroke width."""


def canvas(
    *,
    key: str,
    label: str,
    hint: str,
    brush: float = BRUSH,
    under: bytes | None = None,
    example: np.ndarray | None = None,
    cleared: int = 0,
    on_draw: Callable[[], None] | None = None,
) -> np.ndarray | None:
    """Show the canvas and return the drawing, uint8 (140, 140), white on black; None if it is empty.

    `under` is a PNG shown below the ink and not part of it. `example`, uint8 (140, 140), is shown and returned until
    the first stroke, which replaces it. A changed `cleared` clears the canvas. Use one key per canvas of a session: the
    drawing is kept when the page is left. Raises DataError if a browser sends invalid data.
    """
    memory = _memory(key)
    if st.session_state.get(f"{key}_cleared", cleared) != cleared:
        memory.pop("ink", None)
        st.session_state.pop(key, None)
    st.session_state[f"{key}_cleared"] = cleared
    _store(key)
    texts = {name: t(f"common.canvas.{name}") for name in ("undo", "clear", "up", "down", "undone", "cleared")}
    data = {
        "brush": brush,
        "cleared": cleared,
        "under": data_url(under) if under else "",
        "before": _before(key),
        "example": "" if example is None or _is_touched(key) else data_url(drawing.ink_png(example)),
        "texts": {**texts, "label": f"{label} {t('common.canvas.keys')}", "hint": hint},
    }

    def changed() -> None:
        _store(key)
        if on_draw is not None:
            on_draw()

    _component(key=key, data=data, on_ink_change=changed)
    return ink(key) if _is_touched(key) else example


def ink(key: str) -> np.ndarray | None:
    """The drawing on the canvas `key`, even before the canvas is shown in this run; None if it is empty."""
    sent = _memory(key).get("ink")
    pixels = drawing.from_canvas(sent) if sent else None
    return None if pixels is None or drawing.is_empty(pixels) else pixels


def _store(key: str) -> None:
    """Copy what the browser has sent: Streamlit drops a component's state as soon as it is not shown."""
    state = st.session_state.get(key)
    if state and state.get("ink") is not None:
        _memory(key)["ink"] = state["ink"]


def _is_touched(key: str) -> bool:
    """Whether the visitor has drawn on the canvas or cleared it."""
    return "ink" in _memory(key)


def _memory(key: str) -> dict[str, str]:
    memory: dict[str, str] = st.session_state.setdefault(f"{key}_kept", {})
    return memory


def _before(key: str) -> str:
    pixels = ink(key)
    return "" if pixels is None else data_url(drawing.ink_png(pixels))
