"""Compiles WaveNet's sampler once per machine, without delaying other requests: after the server's start, or on demand.

Numba takes 10 to 30 s and holds the interpreter's lock for much of that time. So a separate process with low priority
compiles the sampler, and this process reads the result from disk. If the disk cache cannot be written, the thread that
needs the sampler compiles it here.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from contextlib import suppress

import torch

from genmodels import registry
from genmodels.capabilities import SupportsSampling
from genmodels.sampling import samples_compiled
from genmodels.service import fair_queue
from genmodels.system.paths import PROJECT

_NICE = 10
_lock = threading.Lock()
_tried = threading.Event()


def prepare() -> None:
    """Return when the sampler is compiled; under a ticket, raises CancelledError if the request is cancelled."""
    while not (samples_compiled.compiled() or _tried.is_set()):
        ticket = fair_queue.held()
        if ticket is not None:
            ticket.check()
        if not _lock.acquire(timeout=fair_queue.POLL):
            continue
        try:
            if not samples_compiled.compiled():
                if samples_compiled.cached() is False:
                    _compile_elsewhere()
                compile_here()
                _tried.set()  # if numba fails, torch generates recordings
        finally:
            _lock.release()


def warm_up(end: threading.Event) -> None:
    """Do the work of `prepare` before the first request; returns early when `end` is set.

    It does nothing on a machine that cannot store compiled code: compiling in this process would delay other requests.
    """
    with _lock:
        if samples_compiled.compiled() or samples_compiled.cached() is None:
            return
        if not samples_compiled.cached():
            _compile_elsewhere(end)
        if not end.is_set() and samples_compiled.cached():
            compile_here()  # reads what is stored: 0.4 s


def compile_here() -> None:
    """Compile by generating three samples with the smallest WaveNet."""
    torch.set_num_threads(1)  # of this thread
    model = registry.get("wavenet").build(
        channels=4, skip_channels=4, layers=1, stacks=1, sample_rate=8_000, clip_samples=400
    )
    assert isinstance(model, SupportsSampling)
    model.sample(1, generator=torch.Generator().manual_seed(0), samples=3)  # type: ignore[call-arg]


def _compile_elsewhere(end: threading.Event | None = None) -> None:
    """Compile in a process of its own, which is ended if `end` is set or the request that needs it is cancelled."""
    ticket = fair_queue.held()
    command = [sys.executable, "-c", "from genmodels.service.speak import compilation; compilation.compile_here()"]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        with suppress(OSError):  # it may have ended already
            os.setpriority(os.PRIO_PROCESS, process.pid, _NICE)
        try:
            while True:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(fair_queue.POLL)
                    return
                if end is not None and end.is_set():
                    process.kill()
                    return
                if ticket is not None:
                    ticket.check()
        except BaseException:
            process.kill()
            raise
