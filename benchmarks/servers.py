"""Servers of the benchmarks of pages: a new one for each measurement, or one for all of a short form."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from benchmarks.options import Length
from tests.support.browser import UNOPTIMISED, Server, server_of, shared_chromium


@dataclass(frozen=True)
class Place:
    server: Server
    runs: Path
    """Its folder of runs, empty at the start."""
    start: float
    """Time by time.perf_counter() at which the server was started."""


@contextmanager
def new(**environment: str) -> Iterator[Place]:
    """A new server, ended with the block."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        with server_of({"GENMODELS_RUNS": folder, **environment}) as server:
            yield Place(server, Path(folder), start)


@contextmanager
def places(length: Length) -> Iterator[Callable[..., AbstractContextManager[Place]]]:
    """The function `new`; in the short form one that returns the same server, for the same Chromium, each time."""
    if not length.short:
        yield new
        return
    with shared_chromium(UNOPTIMISED), new(GENMODELS_WARM_UP="") as place:
        yield lambda **_: nullcontext(place)
