"""What runs as long as the server: download threads, a thread for queued jobs, and one that prepares speech."""

from __future__ import annotations

import os
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import streamlit as st

import train_jobs
from pages.server.downloads import download_threads
from pages.server.gradio_mount import gradio_interface

_INTERVAL = 2.0  # seconds between two checks; one costs 0.3 ms
_WARM_UP_AFTER = 5.0  # seconds from the start, so that the first page comes first


@asynccontextmanager
async def lifespan(app: st.App) -> AsyncIterator[None]:
    """The lifespan of the server."""
    with watched_scheduler(), warmed_up_speech():
        async with download_threads(app), gradio_interface():
            yield


@contextmanager
def watched_scheduler() -> Iterator[None]:
    """Start a scheduler whenever jobs are queued or running and none runs; a public server never starts one."""
    end = threading.Event()
    thread = threading.Thread(target=_watch, args=(end,), name="scheduler watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        end.set()


@contextmanager
def warmed_up_speech() -> Iterator[None]:
    """Compile the speech sampler in the background, a few seconds after the start, unless GENMODELS_WARM_UP=off."""
    if os.environ.get("GENMODELS_WARM_UP", "").strip().lower() == "off":
        yield
        return
    end = threading.Event()
    thread = threading.Thread(target=_warm_up, args=(end,), name="warm-up", daemon=True)
    thread.start()
    try:
        yield
    finally:
        end.set()


def _warm_up(end: threading.Event) -> None:
    if end.wait(_WARM_UP_AFTER):
        return
    from genmodels.service.speak import compilation  # numba takes half a second to import

    compilation.warm_up(end)


def _watch(end: threading.Event) -> None:
    train_jobs.watch_scheduler()
    while not end.wait(_INTERVAL):
        train_jobs.watch_scheduler()
