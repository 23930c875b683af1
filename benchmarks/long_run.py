"""How fast the Runs page opens a run with 300,000 logged lines: until its curves are drawn."""

from __future__ import annotations

import json
import random
import time
from typing import Any

from benchmarks.options import Length
from benchmarks.servers import Place
from genmodels.runs.folder import METRICS, RunFolder
from tests.support.browser import browsing, widget
from tests.support.runs import save_run

LINES = 300_000
_DRAWN = ".st-key-runs_curves [data-testid=stVegaLiteChart] :is(canvas, svg)"


def measure(place: Place, length: Length) -> dict[str, Any]:
    """Seconds from the address to the drawn curves, of a run that this server has not shown yet, and of the next visit.

    The server has shown another run before: it has imported what the page needs. The short form opens only the run.
    """
    results: dict[str, Any] = {}
    count = length.of(LINES)
    for name, lines in (("small", 100), ("long", count)):
        _log(save_run(place.runs, name, "mnist_gan", "data.name=digits", "model.generator_sizes=[16]"), lines)
    visits = (("small", ""), ("long", "first"), ("long", "second"))
    with browsing(animated=not length.short) as browser:
        for run, visit in visits[1:2] if length.short else visits:
            start = time.perf_counter()
            page = browser.open(f"{place.server.url}/runs?run={run}")
            page.wait_for_selector(_DRAWN)
            widget(page, "runs_settings").wait_for()
            if visit:
                results[f"Runs with {count:,} logged lines, {visit} visit (s)"] = time.perf_counter() - start
            page.close()
        browser.check_console()
    return results


def _log(run: RunFolder, lines: int) -> None:
    """Write the curves of a finished training that logged every tenth step."""
    numbers = random.Random(0)
    names = ("loss/discriminator", "loss/generator", "score/real", "score/generated")
    with (run.path / METRICS).open("w") as file:
        for index in range(lines):
            point = {"step": 10 * index, "time": round(1.7e9 + index / 20, 3), **{n: numbers.random() for n in names}}
            file.write(json.dumps(point) + "\n")
    run.write_status(phase="finished", step=10 * lines, max_steps=10 * lines, device="cpu", error=None)
