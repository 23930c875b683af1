"""The pictures of the documentation: `python -m benchmarks.screens [PAGE ...] [--readme]`.

Starts the studio on the committed checkpoints, without runs and downloaded data, and takes each page with Chromium:
both themes, 390 and 1440 pixels wide, into `docs/screens/`. Writes the README's pictures too: the first view of some
pages, and an animation of a drag on the latent explorer's pad. `--readme` writes only these.
"""

from __future__ import annotations

import argparse
import io
import itertools
import math
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page

from pages.components.address import PARAMETERS
from tests.support.browser import ROOT, Browser, browsing, server_of, settle, widget

DOCS = ROOT / "docs"
WIDTHS = (390, 1440)
_LONGEST = 3_200  # pixels; the list of all recipes or models is longer
_QUALITY = 40
# What a page shows while it computes: stale elements are pale.
_BUSY = '[data-stale="true"], [data-testid="stSpinner"], [data-testid="stSkeleton"], .st-key-paint_stop button:enabled'
_README = ("gallery", "manifold", "seeds", "flow", "stylize", "runs")
_README_SIZE = (1280, 800)
_GIF = "latent.gif"
_GIF_FRAMES, _GIF_MS, _GIF_WIDTH, _GIF_COLOURS = 40, 90, 640, 64


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", nargs="*", metavar="PAGE", help=f"one of {', '.join(PARAMETERS)}; default: all")
    parser.add_argument("--readme", action="store_true", help="only the README's pictures")
    arguments = parser.parse_args()
    if unknown := [name for name in arguments.pages if name not in PARAMETERS]:
        sys.exit(f"unknown page {unknown}; choose from {', '.join(PARAMETERS)}")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        env = {"GENMODELS_RUNS": str(root / "runs"), "GENMODELS_DATA": str(root / "data")}
        with server_of(env, root / "log") as server:
            if not arguments.readme:
                _take_screens(server.url, arguments.pages or list(PARAMETERS))
            if not arguments.pages:
                _take_readme(server.url)


def _take_screens(url: str, names: list[str]) -> None:
    folder = DOCS / "screens"
    folder.mkdir(exist_ok=True)
    for width, dark in itertools.product(WIDTHS, (False, True)):  # charts keep the theme in which they were made
        with browsing(width=width, height=900, dark=dark, fresh=True) as browser:
            for name in names:
                page = _open(browser, url, name)
                height = page.get_by_test_id("stMain").evaluate("main => main.scrollHeight")
                page.set_viewport_size({"width": width, "height": min(height, _LONGEST)})
                _wait_until_idle(page)
                _save(_picture(page), folder / f"{name}-{width}-{'dark' if dark else 'light'}.webp")
                page.close()


def _take_readme(url: str) -> None:
    width, height = _README_SIZE
    with browsing(width=width, height=height, fresh=True) as browser:
        for name in _README:
            page = _open(browser, url, name)
            _save(_picture(page), DOCS / f"{name}.webp")
            page.close()
        _animate(browser.open(f"{url}/latent?model=mnist_vae_2d_deep&truncation=0"))


def _animate(page: Page) -> None:
    """Drag the knob of the latent pad along a curve, and write what image and pad show as a GIF."""
    _wait_until_idle(page)
    image, pad = widget(page, "latent_picture"), widget(page, "latent_pad").locator("canvas")
    first, box = image.bounding_box(), pad.bounding_box()
    assert first is not None
    assert box is not None
    area = (
        round(min(first["x"], box["x"])) - 8,
        round(min(first["y"], box["y"])) - 8,
        round(max(first["x"] + first["width"], box["x"] + box["width"])) + 8,
        round(max(first["y"] + first["height"], box["y"] + box["height"])) + 8,
    )
    frames = []
    for index in range(_GIF_FRAMES + 1):
        angle = 2 * math.pi * index / _GIF_FRAMES
        x = box["x"] + box["width"] * (0.5 + 0.36 * math.sin(angle))
        y = box["y"] + box["height"] * (0.5 + 0.36 * math.sin(2 * angle))
        page.mouse.move(x, y, steps=2)
        if index == 0:
            page.mouse.down()
        page.wait_for_timeout(250)  # until the image of this place is shown
        if index:
            frames.append(_picture(page, area))
    page.mouse.up()
    small = [
        frame.resize((_GIF_WIDTH, frame.height * _GIF_WIDTH // frame.width), Image.Resampling.LANCZOS)
        for frame in frames
    ]
    all_frames = Image.new("RGB", (_GIF_WIDTH, sum(frame.height for frame in small)))
    for place, frame in enumerate(small):
        all_frames.paste(frame, (0, place * frame.height))
    palette = all_frames.quantize(_GIF_COLOURS)
    start, *others = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in small]
    start.save(DOCS / _GIF, save_all=True, append_images=others, duration=_GIF_MS, loop=0, optimize=True)
    _report(DOCS / _GIF)


def _open(browser: Browser, url: str, name: str) -> Page:
    page = browser.open(f"{url}/{'' if name == 'gallery' else name}")
    _wait_until_idle(page)
    return page


def _wait_until_idle(page: Page, timeout: float = 90) -> None:
    """Wait until the page has computed nothing for two seconds and shows all its images."""
    end, since = time.monotonic() + timeout, time.monotonic()
    while time.monotonic() - since < 2:
        settle(page, 1_000 * timeout)
        if page.locator(_BUSY).count() or not page.evaluate("[...document.images].every(image => image.complete)"):
            since = time.monotonic()
        if time.monotonic() > end:
            raise TimeoutError(f"{page.url} was still busy after {timeout:.0f} s")
        page.wait_for_timeout(100)


def _picture(page: Page, area: tuple[int, int, int, int] | None = None) -> Image.Image:
    image = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    return image.crop(area) if area else image


def _save(image: Image.Image, target: Path) -> None:
    image.save(target, quality=_QUALITY, method=6)
    _report(target)


def _report(target: Path) -> None:
    print(f"{target.relative_to(ROOT)}: {target.stat().st_size / 1024:,.0f} kB", flush=True)


if __name__ == "__main__":
    main()
