"""How fast the first page opens: until its map moves, the bytes sent to the browser, and with many own runs."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from playwright.sync_api import Page

from benchmarks.options import Length
from benchmarks.servers import Place
from genmodels.images import preview
from tests.support.browser import browsing, settle, shared_chromium, widget
from tests.support.runs import save_run

RUNS = 120
# True once the map has been painted in two different ways.
_MOVES = """() => {
  const host = document.querySelector('.st-key-gallery_hero');
  const find = node => {
    for (const element of node.querySelectorAll('*')) {
      if (element.matches('canvas.map')) return element;
      const inner = element.shadowRoot && find(element.shadowRoot);
      if (inner) return inner;
    }
    return null;
  };
  const canvas = host && find(host);
  if (!canvas || !canvas.width) return false;
  const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  let sum = 0;
  for (let i = 0; i < pixels.length; i += 4) sum = (sum * 31 + pixels[i] + pixels[i + 3]) % 1000003;
  if (!pixels.some(value => value)) return false;
  window.painted = (window.painted || new Set()).add(sum);
  return window.painted.size > 1;
}"""


def measure(place: Place, length: Length) -> dict[str, Any]:
    """Times of a new server without runs, and then with copies of a small run; the short form opens each page once."""
    results: dict[str, Any] = {}
    count = length.of(RUNS)
    with shared_chromium():
        for state in ("cold",) if length.short else ("cold", "warm"):
            with browsing(fresh=not length.short, animated=not length.short) as browser:
                page = browser.context.new_page()
                sent = bytes_of(page)
                start = time.perf_counter()
                page.goto(place.server.url)
                page.wait_for_function(_MOVES)
                results[f"first page moves, {state} server (s)"] = time.perf_counter() - start
                settle(page)
                results[f"first page complete, {state} server (s)"] = time.perf_counter() - start
                page.wait_for_load_state("networkidle")
                results["first view without /static/ (kB)"] = sent() / 1000
                browser.check_console()
        copy_runs(place.runs, count)
        with browsing(animated=not length.short) as browser:
            for visit in ("first",) if length.short else ("first", "second"):
                start = time.perf_counter()
                page = browser.open(place.server.url)
                widget(page, "gallery_own").wait_for()
                results[f"gallery with {count} runs, {visit} visit (s)"] = time.perf_counter() - start
                page.close()
            browser.check_console()
    return results


def bytes_of(page: Page) -> Callable[[], int]:
    """A function that returns the bytes received by `page` since now, without those of Streamlit's own /static/."""
    addresses: dict[str, str] = {}
    total = 0

    def responded(event: dict[str, Any]) -> None:
        addresses[event["requestId"]] = event["response"]["url"]

    def finished(event: dict[str, Any]) -> None:
        nonlocal total
        if "/static/" not in addresses.get(event["requestId"], ""):
            total += int(event["encodedDataLength"])

    def framed(event: dict[str, Any]) -> None:
        nonlocal total
        frame = event["response"]
        binary = frame["opcode"] == 2  # as base64
        total += len(frame["payloadData"]) * 3 // 4 if binary else len(frame["payloadData"])

    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    session.on("Network.responseReceived", responded)
    session.on("Network.loadingFinished", finished)
    session.on("Network.webSocketFrameReceived", framed)
    return lambda: total


def copy_runs(runs: Path, count: int) -> None:
    """Save one small run in `runs`, with a preview as a training leaves it, and copies of it, `count` in all."""
    first = save_run(runs, "run-000", "mnist_gan", "data.name=digits", "model.generator_sizes=[16]")
    first.preview_path(10).parent.mkdir()
    first.preview_path(10).write_bytes(
        preview.png(preview.grid(torch.linspace(-1, 1, 64)[:, None, None, None].expand(-1, 1, 28, 28)))
    )
    for index in range(1, count):
        shutil.copytree(first.path, runs / f"run-{index:03}")
