"""How fast the Runs page opens a run with 300,000 logged lines: until its curves are drawn."""

from __future__ import annotations

import json
import random
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.options import Length
from genmodels.runs.folder import METRICS, RunFolder
from tests.support.browser import browsing, server_of, widget
from tests.support.runs import save_run

LINES = 300_000
_DRAWN = ".st-key-runs_curves [data-testid=stVegaLiteChart] :is(canvas, svg)"


def measure(length: Length) -> dict[str, Any]:
    """Seconds from the address to the drawn curves, of a run that this server has not shown yet, and of the next visit.

    The server has shown another run before: it has imported what the page needs.
    """
    results: dict[str, Any] = {}
    count = length.of(LINES)
    with tempfile.TemporaryDirectory() as folder, browsing(animated=True) as browser:
        for name, lines in (("small", 100), ("long", count)):
            _log(save_run(Path(folder), name, "mnist_gan", "data.name=digits", "model.generator_sizes=[16]"), lines)
        with server_of({"GENMODELS_RUNS": folder}) as server:
            for run, visit in (("small", ""), ("long", "first"), ("long", "second")):
                start = time.perf_counter()
                page = browser.open(f"{server.url}/runs?run={run}")
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
