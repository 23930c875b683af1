"""A film of several images at once: each at a chosen time of the flow, above the end that is predicted there.

The browser has all frames in one sheet, so the slider of the time needs no answer from the server.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import streamlit as st

from pages.components.tiles import data_url


@dataclass(frozen=True)
class FilmTile:
    """The alternative texts of an image and of its predicted end, and the caption below both."""

    alt: str
    end_alt: str
    caption: str


_CSS = """
:host { display: block; }
.film { font-family: var(--st-font); color: var(--st-text-color); }
.images { display: grid; grid-template-columns: repeat(var(--columns), minmax(0, 7.5rem)); gap: 0.7rem 0.5rem; }
@media (max-width: 640px) { .images { grid-template-columns: repeat(min(var(--columns), 4), minmax(0, 1fr)); } }
figure { margin: 0; min-width: 0; text-align: center; }
canvas { display: block; width: 100%; image-rendering: pixelated; background: #000; box-sizing: border-box;
         border: 1px solid var(--st-border-color); border-radius: calc(var(--st-base-radius) / 2); }
canvas + canvas { margin-top: 0.25rem; border: 2px solid var(--st-primary-color); }
figcaption { font-size: 0.78rem; line-height: 1.35; margin-top: 0.2rem; font-variant-numeric: tabular-nums; }
.time { display: flex; align-items: center; gap: 0.8rem; margin: 0 0 0.8rem; max-width: 60rem; }
.time input { flex: 1; min-width: 0; accent-color: var(--st-primary-color); height: 1.8rem; }
.time output { min-width: 7.5rem; font-variant-numeric: tabular-nums; font-size: 0.9rem; }
button { font: inherit; color: inherit; cursor: pointer; padding: 0.3rem 0.8rem; border-radius: var(--st-base-radius);
         background: var(--st-secondary-background-color); border: 1px solid var(--st-border-color); }
button:focus-visible, input:focus-visible { outline: 3px solid var(--st-primary-color); outline-offset: 2px; }
"""
_JS = """
const FILM_MS = 2600;                   // of a whole film
const films = new WeakMap();

function create(root) {
  const self = { data: null, sheet: null, source: "", frame: 0, timer: 0 };
  const images = root.querySelector(".images"), range = root.querySelector("input");
  const output = root.querySelector("output"), button = root.querySelector("button");
  const show = frame => {
    const { width, height, times } = self.data;
    self.frame = Math.min(frame, times.length - 1);
    range.value = self.frame;
    const text = self.data.time.replace("{t}", times[self.frame]);
    output.textContent = text;
    range.setAttribute("aria-valuetext", text);
    [...images.children].forEach((figure, index) => figure.querySelectorAll("canvas").forEach((canvas, row) => {
      canvas.width = width; canvas.height = height;
      canvas.style.imageRendering = width >= 64 ? "auto" : "";   // smooth for photographs
      canvas.getContext("2d").drawImage(self.sheet, self.frame * width, (2 * index + row) * height, width, height,
                                        0, 0, width, height);
    }));
    images.dataset.frame = self.frame;
  };
  const pause = () => {
    clearInterval(self.timer);
    self.timer = 0;
    button.textContent = self.data.play;
  };
  const play = () => {
    pause();
    if (self.frame >= self.data.times.length - 1) show(0);
    button.textContent = self.data.pause;
    self.timer = setInterval(() => {
      show(self.frame + 1);
      if (self.frame >= self.data.times.length - 1) pause();
    }, FILM_MS / self.data.times.length);
  };
  range.addEventListener("input", () => { pause(); show(Number(range.value)); });
  button.addEventListener("click", () => self.timer ? pause() : play());
  self.update = async data => {
    const last = self.data ? self.frame / (self.data.times.length - 1) : 0.5;
    self.data = data;
    pause();
    range.max = data.times.length - 1;
    range.setAttribute("aria-label", data.label);
    images.style.setProperty("--columns", data.tiles.length);
    images.setAttribute("aria-label", data.group);
    if (self.source !== data.src) {
      const sheet = new Image();
      sheet.src = data.src;
      await sheet.decode();
      if (self.data !== data) return;   // a newer film arrived while this one was decoded
      self.sheet = sheet; self.source = data.src;
    }
    images.replaceChildren(...data.tiles.map(tile => {
      const figure = document.createElement("figure"), caption = document.createElement("figcaption");
      for (const alt of [tile.alt, tile.end_alt]) {
        const canvas = document.createElement("canvas");
        canvas.setAttribute("role", "img");
        canvas.setAttribute("aria-label", alt);
        figure.append(canvas);
      }
      caption.textContent = tile.caption;
      figure.append(caption);
      return figure;
    }));
    images.dataset.src = data.src;
    show(Math.round(last * (data.times.length - 1)));
  };
  self.end = () => clearInterval(self.timer);
  return self;
}

export default function ({ parentElement, data }) {
  let self = films.get(parentElement);
  if (!self) { self = create(parentElement); films.set(parentElement, self); }
  self.update(data);
  return self.end;
}
"""
_component = st.components.v2.component(
    "genmodels_flow_player",
    html=(
        '<div class="film"><div class="time"><button type="button"></button>'
        '<input type="range" min="0" step="1"><output></output></div><div class="images" role="group"></div></div>'
    ),
    css=_CSS,
    js=_JS,
)


def player(
    png: bytes,
    size: tuple[int, int],
    tiles: Sequence[FilmTile],
    times: Sequence[float],
    *,
    texts: dict[str, str],
    key: str,
) -> None:
    """Show a film whose sheet has a column per time, and two rows per image: the image, and its predicted end.

    `size` is the (width, height) of an image. `texts`: `play` and `pause` of the button, the `label` of the slider,
    the name of the `group` of images, and `time`, the text of a time with {t}.
    """
    _component(
        key=key,
        data={
            "src": data_url(png),
            "width": size[0],
            "height": size[1],
            "tiles": [asdict(tile) for tile in tiles],
            "times": [f"{time:.3g}" for time in times],
            **texts,
        },
    )
