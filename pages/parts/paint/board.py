"""Images that are sampled pixel by pixel, with a pixel to choose by mouse, touch or arrow keys.

Pixels that are not sampled yet are hatched. Python sends whole rows, and the browser shows their pixels one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import streamlit as st

from pages.components.tiles import data_url


@dataclass(frozen=True)
class Spot:
    """A pixel of one of the images."""

    image: int
    row: int
    column: int


@dataclass(frozen=True)
class BoardTile:
    """The alternative text of an image, and the texts above and below it."""

    alt: str
    above: str = ""
    below: str = ""


_CSS = """
:host { display: block; }
.board { display: grid; gap: 0.3rem 0.6rem; font-family: var(--st-font); color: var(--st-text-color);
         grid-template-columns: repeat(auto-fill, minmax(min(var(--tile), 100% / var(--columns) - 0.6rem), 1fr));
         max-width: calc(var(--columns) * (var(--tile) + 0.6rem)); }
figure { margin: 0; min-width: 0; text-align: center; display: grid; grid-row: span 3; grid-template-rows: subgrid;
         row-gap: 0.2rem; }
.above { font-size: 0.85rem; font-weight: 600; line-height: 1.3; align-self: end; grid-row: 1;
         overflow-wrap: anywhere; }
.paper { grid-row: 2; }
figcaption { grid-row: 3; }
.above:empty, figcaption:empty { display: none; }
figcaption { font-size: 0.8rem; line-height: 1.35; font-variant-numeric: tabular-nums; }
.paper { position: relative; border: 1px solid var(--st-border-color); border-radius: 4px; overflow: hidden;
         outline: none; touch-action: manipulation; background: var(--st-secondary-background-color)
         repeating-linear-gradient(45deg, transparent 0 5px, var(--st-border-color) 5px 6px); }
.paper.pick { cursor: crosshair; touch-action: none; }
.paper:focus-visible { box-shadow: 0 0 0 3px var(--st-primary-color); }
.chosen .paper { border-color: var(--st-primary-color); box-shadow: 0 0 0 1px var(--st-primary-color); }
canvas { display: block; width: 100%; image-rendering: pixelated; }
.given { position: absolute; left: 0; right: 0; border-top: 1.5px dashed #f2711c; pointer-events: none; }
.mark { position: absolute; box-sizing: border-box; border: 2px solid #f2711c; outline: 1px solid #fff;
        pointer-events: none; min-width: 7px; min-height: 7px; transform: translate(-50%, -50%); }
"""
_JS = """
const INTERVAL = 60, PACE = 4;          // ms between two messages; least number of pixels that appear per frame
const instances = new WeakMap();

function create(board) {
  const self = { data: null, send: null, sheet: null, source: "", shown: 0, frame: 0, at: null, moved: null, run: null,
                 timer: 0, last: 0, held: false };
  const clamp = (value, most) => Math.min(most - 1, Math.max(0, value));

  const paint = () => {
    const { width, height } = self.data, rows = Math.floor(self.shown / width), rest = self.shown % width;
    [...board.children].forEach((figure, index) => {
      const canvas = figure.querySelector("canvas"), context = canvas.getContext("2d"), left = index * width;
      if (canvas.width !== width || canvas.height !== height) { canvas.width = width; canvas.height = height; }
      context.clearRect(0, 0, width, height);
      if (rows) context.drawImage(self.sheet, left, 0, width, rows, 0, 0, width, rows);
      if (rest) context.drawImage(self.sheet, left, rows, rest, 1, 0, rows, rest, 1);
    });
    board.dataset.shown = self.shown;
  };
  const animate = () => {
    cancelAnimationFrame(self.frame);
    const still = !self.data.animate || matchMedia("(prefers-reduced-motion: reduce)").matches;
    const behind = self.data.painted - self.shown;
    const pixels = Math.min(behind, Math.max(PACE, Math.ceil(behind / 6)));
    self.shown = still || behind < 0 ? self.data.painted : self.shown + pixels;
    paint();
    if (self.shown < self.data.painted) self.frame = requestAnimationFrame(animate);
  };
  self.mark = () => [...board.children].forEach((figure, index) => {
    const mark = figure.querySelector(".mark"), here = self.at && self.at.image === index, data = self.data;
    const every = self.at && data.every;
    figure.classList.toggle("chosen", !!here && data.tiles.length > 1 && !data.every);
    mark.hidden = !(here || every);
    if (mark.hidden) return;
    const middle = position => (Math.floor(position / data.cell) + 0.5) * data.cell;
    Object.assign(mark.style, { left: `${100 * middle(self.at.column) / data.width}%`,
      top: `${100 * middle(self.at.row) / data.height}%`, width: `${100 * data.cell / data.width}%`,
      height: `${100 * data.cell / data.height}%` });
    const paper = figure.querySelector(".paper");
    paper.setAttribute("aria-valuenow", self.at.row * data.width + self.at.column + 1);
    paper.setAttribute("aria-valuetext", data.spoken.replace("{row}", Math.floor(self.at.row / data.cell) + 1)
      .replace("{column}", Math.floor(self.at.column / data.cell) + 1));
  });
  const report = () => {
    clearTimeout(self.timer);
    const wait = self.last + INTERVAL - performance.now();
    if (wait > 0) { self.timer = setTimeout(report, wait); return; }
    self.last = performance.now();
    self.send("at", { ...self.at, held: self.held });
  };
  const move = (image, row, column) => {
    const next = { image, row: clamp(row, self.data.height), column: clamp(column, self.data.width) };
    if (self.at && next.image === self.at.image && next.row === self.at.row && next.column === self.at.column)
      return;
    self.at = next; self.mark(); report();
  };
  self.make = index => {
    const figure = document.createElement("figure"), paper = document.createElement("div");
    const above = document.createElement("div"), mark = document.createElement("div");
    above.className = "above"; paper.className = "paper"; mark.className = "mark"; mark.hidden = true;
    const given = document.createElement("div");
    given.className = "given";
    paper.append(document.createElement("canvas"), mark, given);
    figure.append(above, paper, document.createElement("figcaption"));
    const follow = event => {
      const box = paper.querySelector("canvas").getBoundingClientRect();
      move(index, Math.floor((event.clientY - box.top) / box.height * self.data.height),
           Math.floor((event.clientX - box.left) / box.width * self.data.width));
    };
    paper.addEventListener("pointerdown", event => {
      if (!self.data.pick || event.button > 0) return;
      self.held = true; paper.setPointerCapture(event.pointerId); follow(event);
    });
    paper.addEventListener("pointermove", event => { if (self.held) follow(event); });
    for (const end of ["pointerup", "pointercancel"]) paper.addEventListener(end, () => {
      if (self.held) { self.held = false; if (self.at) report(); }
    });
    paper.addEventListener("keydown", event => {
      const direction = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
      if (!direction || !self.data.pick) return;
      event.preventDefault();
      const from = self.at && (self.at.image === index || self.data.every) ? self.at
        : { row: self.data.height >> 1, column: self.data.width >> 1 };
      const stride = (event.shiftKey ? 5 : 1) * self.data.cell;
      move(index, from.row + stride * direction[0], from.column + stride * direction[1]);
    });
    return figure;
  };
  self.setSheet = () => {
    if (self.run !== self.data.run) { self.run = self.data.run; self.shown = self.data.animate ? self.data.start : 0; }
    const source = self.data.src;
    if (self.source === source && self.sheet) { animate(); return; }
    self.source = source;
    const sheet = new Image();
    sheet.onload = () => {
      if (self.source !== source) return;       // a newer message arrived while this sheet was decoded
      self.sheet = sheet; board.dataset.src = source; animate();
    };
    sheet.src = source;
  };
  self.end = () => { clearTimeout(self.timer); cancelAnimationFrame(self.frame); };
  return self;
}

export default function ({ parentElement, data, setStateValue }) {
  const board = parentElement.querySelector(".board");
  let self = instances.get(parentElement);
  if (!self) { self = create(board); instances.set(parentElement, self); }
  self.data = data; self.send = setStateValue;
  board.setAttribute("aria-label", data.label);
  board.style.setProperty("--tile", data.tile + "px");
  board.style.setProperty("--columns", data.columns);
  while (board.children.length > data.tiles.length) board.lastChild.remove();
  while (board.children.length < data.tiles.length) board.append(self.make(board.children.length));
  data.tiles.forEach((tile, index) => {
    const [above, paper, caption] = board.children[index].children;
    const given = paper.querySelector(".given");
    given.hidden = !data.start; given.style.top = `${100 * data.start / (data.width * data.height)}%`;
    above.replaceChildren(...tile.above.split(/(?<=_)/).flatMap(part => [part, document.createElement("wbr")]));
    caption.textContent = tile.below;
    paper.classList.toggle("pick", data.pick);
    paper.setAttribute("role", data.pick ? "slider" : "img");
    paper.setAttribute("aria-label", tile.alt);
    paper.tabIndex = data.pick ? 0 : -1;
    if (data.pick) {
      paper.setAttribute("aria-valuemin", 1); paper.setAttribute("aria-valuemax", data.width * data.height);
      if (!paper.hasAttribute("aria-valuenow")) paper.setAttribute("aria-valuenow", 1);
    }
  });
  // Python moves the mark only if it changed something itself: echoes of a drag come late.
  if (self.moved !== data.moved || !data.at) { self.moved = data.moved; self.at = data.at; }
  self.mark();
  self.setSheet();
  return self.end;
}
"""
_component = st.components.v2.component(
    "genmodels_paint_board", html='<div class="board" role="group"></div>', css=_CSS, js=_JS
)


def board(
    png: bytes,
    size: tuple[int, int],
    tiles: Sequence[BoardTile],
    *,
    label: str,
    spoken: str,
    key: str,
    columns: int = 8,
    tile: int = 110,
    painted: int | None = None,
    start: int = 0,
    animate: bool = False,
    run: str = "",
    at: Spot | None = None,
    moved: int = 0,
    every: bool = False,
    cell: int = 1,
    on_pick: Callable[[], None] | None = None,
) -> None:
    """Show `painted` pixels of each image of a sheet, side by side; `size` is the (width, height) of an image.

    With `animate` pixels appear one by one after `start`, which a line marks, and from there again for a new `run`.
    `spoken` is the text of the mark's position, with {row} and {column}. The mark moves to `at` only if `moved` has
    changed; with `every` it is shown in all images. Its side is `cell` pixels, which the arrow keys move it by.
    """
    width, height = size
    data = {
        "src": data_url(png),
        "width": width,
        "height": height,
        "tiles": [asdict(one) for one in tiles],
        "label": label,
        "spoken": spoken,
        "columns": columns,
        "tile": tile,
        "painted": width * height if painted is None else painted,
        "start": start,
        "animate": animate,
        "run": run,
        "at": None if at is None else asdict(at),
        "moved": moved,
        "every": every,
        "cell": cell,
        "pick": on_pick is not None,
    }
    _component(key=key, data=data, on_at_change=on_pick or _ignore)


def picked(key: str) -> Spot | None:
    """The pixel that the visitor has chosen, or None."""
    at = (st.session_state.get(key) or {}).get("at")
    return Spot(int(at["image"]), int(at["row"]), int(at["column"])) if at else None


def is_held(key: str) -> bool:
    """Whether the mark is being dragged; the address gets only the pixel where it is released."""
    at = (st.session_state.get(key) or {}).get("at")
    return bool(at and at.get("held"))


def _ignore() -> None:
    """The callback of a board without a pixel to choose."""
