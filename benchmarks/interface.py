"""Response times of the pages in a real browser: `python -m benchmarks.interface [--idle | --training]`.

Targets. First page: it moves within 3 s on a new server and 1 s on a warm one, its first view takes at most 600 kB
without Streamlit's own files, and with 120 runs it opens within 2 s. Runs: a run with 300,000 logged lines opens within
2 s. Speak: on a machine that has compiled nothing, the first press gives a recording of one second within 4 s, 30 s
after the start. Latent explorer (median, 95th percentile): slider release to new image 120 and 200 ms, also during a
training (`--training`); pad at least 15 images per second; first usable page within 8 s of the start; page switch
within 1 s; server below 1.2 GB with 20 sessions, constant over 500 interactions.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import psutil
from playwright.sync_api import Page

from benchmarks import first_page, first_speech, long_run, options, servers
from benchmarks.options import Length
from genmodels.runs.folder import RunFolder
from tests.support.browser import ROOT, Browser, browsing, settle, widget

MODEL = "mnist_vae_20"
NewPlace = Callable[..., AbstractContextManager[servers.Place]]

# Timestamps are taken in the page: from the key or pointer event to the image's new src.
_WATCH = """
() => {
  const host = document.querySelector('.st-key-latent_picture');
  const find = node => {
    for (const element of node.querySelectorAll('*')) {
      if (element.tagName === 'IMG') return element;
      const inner = element.shadowRoot && find(element.shadowRoot);
      if (inner) return inner;
    }
    return null;
  };
  const image = find(host);
  window.pictures = [];
  new MutationObserver(() => window.pictures.push(performance.now())).observe(image, {attributeFilter: ['src']});
  window.released = 0;
  for (const kind of ['pointerup', 'keyup'])
    window.addEventListener(kind, () => { window.released = performance.now(); }, true);
}
"""


@contextmanager
def training(runs: Path) -> Iterator[None]:
    """A training, started as from the Train page, that runs during the block."""
    command = [sys.executable, "-m", "train_jobs"]
    settings = ["--data", "digits", "--set", "train.max_steps=1000000"]
    env = {**os.environ, "GENMODELS_RUNS": str(runs)}
    out = subprocess.run(
        [*command, "submit", MODEL, *settings], cwd=ROOT, env=env, check=True, capture_output=True, text=True
    )
    job = out.stdout.split()[-1]
    deadline = time.monotonic() + 60
    while RunFolder(runs / job).status().get("phase") != "training":  # loading and tuning have ended
        if time.monotonic() > deadline:
            raise RuntimeError(f"{job} does not train after 60 s")
        time.sleep(0.2)
    try:
        yield
    finally:
        subprocess.run([*command, "stop", job], cwd=ROOT, env=env, check=True, capture_output=True)


def slider_latencies(page: Page, count: int) -> list[float]:
    """Milliseconds from the release of a slider to the new image."""
    thumb = widget(page, "latent_axis_0").get_by_role("slider")
    page.evaluate(_WATCH)
    times = []
    for index in range(count):
        box = thumb.bounding_box()
        assert box is not None
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + (24 if index % 2 == 0 else -24), y, steps=3)
        page.evaluate("window.pictures.length = 0")
        page.mouse.up()
        page.wait_for_function("window.pictures.length > 0", timeout=5000)
        times.append(page.evaluate("window.pictures[0] - window.released"))
        page.wait_for_timeout(150)
    return times


def pad_rate(page: Page, seconds: float = 4.0) -> float:
    """Images per second while the pad is dragged in circles."""
    box = widget(page, "latent_pad").locator("canvas").bounding_box()
    assert box is not None
    page.evaluate("window.pictures.length = 0")
    cx, cy, radius = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, box["width"] / 3
    page.mouse.move(cx, cy)
    page.mouse.down()
    start = time.perf_counter()
    while (elapsed := time.perf_counter() - start) < seconds:
        angle = 2.5 * elapsed
        page.mouse.move(cx + radius * (angle % 1), cy + radius * ((1.7 * angle) % 1 - 0.5))
        page.wait_for_timeout(8)
    page.mouse.up()
    return float(page.evaluate("window.pictures.length")) / seconds


def switch_times(page: Page, count: int) -> list[float]:
    """Seconds from a click in the page list to the complete other page."""
    times = []
    for index in range(count):
        stem, sign = ("", ".st-key-gallery_published") if index % 2 == 0 else ("latent", ".st-key-latent_pad")
        start = time.perf_counter()
        link = page.locator(f'a[href$="/{stem}"]').first
        if not link.is_visible():  # it is inside a menu of the navigation bar
            page.get_by_test_id("stTopNavSection").first.click()
        link.click()
        page.wait_for_selector(sign)
        settle(page)
        times.append(time.perf_counter() - start)
    return times


def resident_mb(pid: int) -> float:
    return float(psutil.Process(pid).memory_info().rss) / 2**20


def memory(browser: Browser, url: str, pid: int, sessions: int, interactions: int, first: int) -> tuple[float, float]:
    """The server's memory in MB with many sessions, and its growth over `interactions` pad moves after `first` ones."""
    pages = [browser.open(f"{url}/latent?model={MODEL}") for _ in range(sessions)]
    pad = widget(pages[-1], "latent_pad").locator(".pad")
    pad.focus()
    _press(pages[-1], first)  # fill every cache
    before = resident_mb(pid)
    _press(pages[-1], interactions)
    after = resident_mb(pid)
    for page in pages:
        page.close()
    return before, after - before


def _press(page: Page, count: int) -> None:
    for index in range(count):
        page.keyboard.press("ArrowRight" if (index // 20) % 2 == 0 else "ArrowLeft")
        page.wait_for_timeout(60)


def measure_firsts(length: Length, place: NewPlace) -> dict[str, Any]:
    """Times of the first page, of a long run, and of the first press of Speak while numba's cache is empty."""
    with place() as gallery:
        results = first_page.measure(gallery, length)
    with place() as runs:
        results |= long_run.measure(runs, length)
    with tempfile.TemporaryDirectory() as empty, place(GENMODELS_WARM_UP="", NUMBA_CACHE_DIR=empty) as speak:
        return results | first_speech.measure(speak, length)


def measure(*, during_training: bool, memory_too: bool, length: Length, place: NewPlace) -> dict[str, Any]:
    count = length.of(60)
    with browsing(height=1000, animated=not length.short) as browser:
        with place() as own:
            server = own.server
            page = browser.open(f"{server.url}/latent?model={MODEL}")
            widget(page, "latent_pad").locator("canvas").wait_for()
            results: dict[str, Any] = {"start to first usable page (s)": time.perf_counter() - own.start}
            with training(own.runs) if during_training else nullcontext():
                times = sorted(slider_latencies(page, count))
                results["slider to image, median (ms)"] = statistics.median(times)
                results["slider to image, 95th percentile (ms)"] = times[int(0.95 * (len(times) - 1))]
                results["pad images per second"] = pad_rate(page, 0.3 if length.short else 4.0)
                results["page switch, median (s)"] = statistics.median(switch_times(page, length.of(6)))
            page.close()
            if memory_too:
                sessions, interactions = length.of(20, least=1), length.of(500)
                used, growth = memory(browser, server.url, server.process.pid, sessions, interactions, length.of(50))
                results[f"server with {sessions} sessions (MB)"] = used
                results[f"growth over {interactions} interactions (MB)"] = growth
        browser.check_console()
    return results


def main(arguments: Sequence[str] = ()) -> None:
    parser = options.parser(__doc__)
    parser.add_argument("--idle", action="store_true", help="only without a training")
    parser.add_argument("--training", action="store_true", help="only during a training")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    chosen = parser.parse_args(arguments)
    both = chosen.idle == chosen.training and not chosen.short
    length = Length(chosen.short)
    for during_training in (False, True):
        if not both and during_training != chosen.training:
            continue
        # Memory does not depend on a training in another process, so it is measured once.
        with servers.places(length) as place:
            results = {} if during_training else measure_firsts(length, place)
            results |= measure(
                during_training=during_training, memory_too=not during_training, length=length, place=place
            )
        load = "during a training" if during_training else "idle"
        if chosen.json:
            print(json.dumps({"load": load, **results}, indent=1))
            continue
        print(f"Interface, {load} ({platform.machine()}, {os.cpu_count()} cores)\n\n| measure | value |\n|---|---|")
        for name, value in results.items():
            print(f"| {name} | {value:,.2f} |" if abs(value) < 10 else f"| {name} | {value:,.0f} |")
        print(flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
