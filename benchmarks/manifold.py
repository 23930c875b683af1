"""Response times of the manifold page in a real browser: opening each part, and a click on the map to the image.

Targets (median): a part opens within 2 s on a warm server; a click shows its image within 250 ms; an expression of the
seeds page within 250 ms.
"""

from __future__ import annotations

import random
import statistics
import tempfile
import time

from playwright.sync_api import Page

from benchmarks import options
from tests.support.browser import Browser, browsing, server_of, settle, widget

OPENINGS, CLICKS = 5, 30
# Elements that are visible when a part is open.
_SIGNS = {
    "grid": [".st-key-manifold_grid img[src]"],
    "map": [".st-key-manifold_drawn img[src]", ".st-key-manifold_scatter .nsewdrag"],
    "draw": [".st-key-manifold_canvas .paper"],
    "beside": [".st-key-manifold_map_right img[src]"],
    "denoise": [".st-key-manifold_answers img[src]"],
}
# Milliseconds from the mouse or key event to the image's new address, taken in the page.
_WATCH = """
key => {
  const find = node => {
    for (const element of node.querySelectorAll('*')) {
      if (element.tagName === 'IMG' || element.classList.contains('strip')) return element;
      const inner = element.shadowRoot && find(element.shadowRoot);
      if (inner) return inner;
    }
    return null;
  };
  window.pictures = [];
  new MutationObserver(() => window.pictures.push(performance.now() - window.released))
    .observe(find(document.querySelector('.st-key-' + key)), {attributes: true, attributeFilter: ['src', 'data-src']});
  for (const kind of ['mouseup', 'keydown'])
    window.addEventListener(kind, () => { window.released = performance.now(); }, true);
}
"""


def opening_seconds(browser: Browser, url: str, part: str, openings: int) -> list[float]:
    """Seconds from the request to the part's last element, in a new tab each time."""
    times = []
    for _ in range(openings):
        page = browser.context.new_page()
        start = time.perf_counter()
        page.goto(f"{url}/manifold?part={part}", wait_until="commit")
        for sign in _SIGNS[part]:
            page.wait_for_selector(sign)
        times.append(time.perf_counter() - start)
        page.close()
    return times


def click_milliseconds(page: Page, clicks: int) -> list[float]:
    box = widget(page, "manifold_scatter").locator(".nsewdrag").first.bounding_box()
    assert box is not None
    page.evaluate(_WATCH, "manifold_drawn")
    places, times = random.Random(0), []
    for _ in range(clicks):
        page.evaluate("window.pictures.length = 0")
        page.mouse.move(
            box["x"] + box["width"] * places.uniform(0.1, 0.9), box["y"] + box["height"] * places.uniform(0.1, 0.9)
        )
        page.wait_for_timeout(150)  # Plotly needs time to find the point under the pointer
        page.mouse.down()
        page.mouse.up()
        page.wait_for_function("window.pictures.length > 0", timeout=5000)
        times.append(page.evaluate("window.pictures[0]"))
        page.wait_for_timeout(300)
    return times


def expression_milliseconds(page: Page, count: int) -> list[float]:
    field = widget(page, "seeds_expression").locator("input")
    page.evaluate(_WATCH, "seeds_equation")
    times = []
    for index in range(count):
        field.fill(f"s{index + 1} - s{index + 20} + 0.5*s3")
        page.evaluate("window.pictures.length = 0")
        field.press("Enter")
        page.wait_for_function("window.pictures.length > 0", timeout=5000)
        times.append(page.evaluate("window.pictures[0]"))
        page.wait_for_timeout(300)
    return times


def main() -> None:
    length = options.length(__doc__)
    openings = 1 if length.short else OPENINGS
    with tempfile.TemporaryDirectory() as folder, browsing(height=1000, animated=not length.short) as browser:
        with server_of({"GENMODELS_RUNS": folder}) as server:
            page = browser.open(server.url + "/manifold?part=map")
            widget(page, "manifold_scatter").locator(".nsewdrag").first.wait_for()
            print(f"| part of the manifold page | opens in, median of {openings} |\n|---|---|")
            for part in _SIGNS:
                print(f"| {part} | {statistics.median(opening_seconds(browser, server.url, part, openings)):.2f} s |")
            page.bring_to_front()
            clicks = sorted(click_milliseconds(page, length.of(CLICKS)))
            print(
                f"\nclick on the map to image: median {statistics.median(clicks):.0f} ms, slowest {clicks[-1]:.0f} ms"
            )
            page.close()
            page = browser.open(server.url + "/seeds?model=mnist_gan")
            settle(page)
            widget(page, "seeds_equation").locator("canvas").first.wait_for()
            typed = sorted(expression_milliseconds(page, length.of(12)))
            print(f"expression to image: median {statistics.median(typed):.0f} ms, slowest {typed[-1]:.0f} ms")
        browser.check_console()


if __name__ == "__main__":
    main()
