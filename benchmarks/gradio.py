"""The Gradio interface under load: `python -m benchmarks gradio`.

/gradio/ has to answer within 6 s the first time, which imports Gradio, and within 1 s later. Then ten clients send 50
requests at once, again and again while a visitor of the latent explorer moves a slider: no answer may be an error or
have other pixels than the Python API, and 95 of 100 slider moves have to take less than 300 ms.
"""

from __future__ import annotations

import multiprocessing
import os
import statistics
import sys
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import Queue
from multiprocessing.synchronize import Event
from pathlib import Path

import numpy as np
import torch
from gradio_client import Client
from PIL import Image
from torch import Tensor

import genmodels
from benchmarks.contention import Visitor, percentile, slide
from benchmarks.options import Length, length
from genmodels import latent
from genmodels.images import preview
from genmodels.latent.expression import combine
from tests.support.browser import Server, server_of

FIRST_S, LATER_S, SLIDER_MS = 6.0, 1.0, 300.0
CLIENTS, REQUESTS, MOVES = 10, 50, 60
_SLIDER_MODEL = "mnist_vae_2d"
_PATIENCE = 600.0


@dataclass(frozen=True)
class Case:
    """A request and the pixels of its answer."""

    endpoint: str
    arguments: tuple[object, ...]
    pixels: np.ndarray


@dataclass
class Result:
    """Seconds of the first and the later page requests, milliseconds of requests and slider moves."""

    first: float = 0.0
    later: list[float] = field(default_factory=list)
    requests: list[float] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    alone: list[float] = field(default_factory=list)
    busy: list[float] = field(default_factory=list)


Answers = tuple[list[float], list[str]]
"""Milliseconds and problems of requests: built-in types, because another process sends them."""


def cases(count: int) -> list[Case]:
    """`count` requests to five endpoints and five models, with the pixels that the Python API computes."""
    gan, vae = genmodels.load("mnist_gan"), genmodels.load("mnist_vae_20")
    conditional = genmodels.load("mnist_cgan_conv")
    made = []
    with torch.inference_mode():
        for seed in range(-(-count // 5)):
            z = latent.z_of_seeds([seed, seed + 1], 100)
            walk = torch.stack([latent.slerp(z[0], z[1], step / 5) for step in range(6)])
            code = latent.z_of_seed(seed, 20)
            expression = f"s{seed} - s{seed + 1}"
            made += [
                Case(
                    "/sample", ("mnist_vae_20", seed, 8), _sheet(preview.samples_of_seeds(vae, range(seed, seed + 8)))
                ),
                Case("/decode", ("mnist_vae_20", code.tolist()), _sheet(vae.decode(code[None]))),
                Case("/interpolate", ("mnist_gan", seed, seed + 1, 6), _sheet(gan.decode(walk))),
                Case("/arithmetic", ("mnist_gan", expression), _sheet(gan.decode(combine(expression, 100).z()[None]))),
                Case(
                    "/conditional",
                    ("mnist_cgan_conv", seed, 2),
                    _sheet(preview.samples_of_seeds(conditional, range(seed, seed + 20), range(10)), 10),
                ),
            ]
    return made[:count]


def _sheet(images: Tensor | None, columns: int | None = None) -> np.ndarray:
    assert images is not None
    return np.asarray(preview.grid(images, columns or len(images), scale=1, pad=0))


def seconds_to_open(url: str) -> float:
    """Seconds until the whole page of the interface has arrived."""
    began = time.perf_counter()
    with urllib.request.urlopen(url, timeout=_PATIENCE) as answer:
        answer.read()
    return time.perf_counter() - began


def send(client: Client, case: Case, result: Result) -> None:
    """Send one request and compare its answer."""
    began = time.perf_counter()
    try:
        with Image.open(client.predict(*case.arguments, api_name=case.endpoint)) as image:
            pixels = np.asarray(image)
    except Exception as error:  # noqa: BLE001 - every error is a problem of the result
        result.problems.append(f"{case.endpoint}: {error}")
        return
    result.requests.append(1_000 * (time.perf_counter() - began))
    if not np.array_equal(pixels, case.pixels):
        result.problems.append(f"{case.endpoint}{case.arguments}: other pixels")


def load(url: str, work: Sequence[Case], clients: int, ready: Event, done: Event, results: Queue[Answers]) -> None:
    """Send the requests of `work` by `clients` clients at once, again and again until `done` is set.

    In a process of its own: the clients of a server run on other machines, and here they would hold the interpreter's
    lock that the slider's visitor needs. For the same reason its priority is low.
    """
    os.nice(10)
    result = Result()
    programs = [Client(url, verbose=False, httpx_kwargs={"timeout": 120}) for _ in range(clients)]
    for case in work[:5]:  # loads the models
        send(programs[0], case, Result())
    ready.set()
    with ThreadPoolExecutor(clients) as pool:
        while True:
            pairs = [(programs[index % clients], case) for index, case in enumerate(work)]
            list(pool.map(lambda pair: send(*pair, result), pairs))
            if done.is_set():
                break
    results.put((result.requests, result.problems))


def measure(server: Server, *, clients: int = CLIENTS, requests: int = REQUESTS, moves: int = MOVES) -> Result:
    """The times of a new server; `requests` are sent again until the slider has been moved `moves` times."""
    url = f"{server.url}/gradio/"
    first = seconds_to_open(url)
    later = sorted(seconds_to_open(url) for _ in range(5))
    context = multiprocessing.get_context("spawn")
    ready, done, results = context.Event(), context.Event(), context.Queue()
    process = context.Process(target=load, args=(url, cases(requests), clients, ready, done, results), daemon=True)
    with Visitor(server.url) as visitor:
        visitor.open("latent", f"model={_SLIDER_MODEL}")
        slide(visitor, 3)  # loads the model
        alone = slide(visitor, moves)
        process.start()
        try:
            if not ready.wait(_PATIENCE):
                raise RuntimeError("the clients have not started")
            busy = slide(visitor, moves)
            done.set()
            times, problems = results.get(timeout=_PATIENCE)
        finally:
            process.kill()
            process.join()
    return Result(first, later, sorted(times), problems, alone, busy)


def main() -> int:
    chosen: Length = length(__doc__)
    clients, requests = (2, 5) if chosen.short else (CLIENTS, REQUESTS)
    with tempfile.TemporaryDirectory() as folder:
        env = {"GENMODELS_RUNS": folder, "GENMODELS_PUBLIC": "1"}
        with server_of(env, Path(os.environ.get("GENMODELS_SERVER_LOG", os.devnull))) as server:
            result = measure(server, clients=clients, requests=requests, moves=chosen.of(MOVES, 4))
    median = statistics.median(result.later)
    print(f"/gradio/ answers the first time after {result.first:.1f} s, later after {median:.2f} s")
    print("| (ms) | number | median | 95th percentile | slowest |\n|---|---|---|---|---|")
    rows = {
        f"requests by {clients} clients, {requests} at once": result.requests,
        "slider to image, idle server": result.alone,
        "slider to image, under these requests": result.busy,
    }
    for name, times in rows.items():
        print(f"| {name} | {len(times)} | {percentile(times, 0.5):.0f} | {percentile(times):.0f} | {times[-1]:.0f} |")
    print(f"errors and wrong answers: {len(result.problems)}")
    for problem in result.problems[:5]:
        print(f"  {problem}")
    in_time = result.first < FIRST_S and median < LATER_S and percentile(result.busy) < SLIDER_MS
    print(f"targets of {FIRST_S:.0f} s, {LATER_S:.0f} s and {SLIDER_MS:.0f} ms: {'reached' if in_time else 'missed'}")
    return 0 if not result.problems and (in_time or chosen.short) else 1


if __name__ == "__main__":
    sys.exit(main())
