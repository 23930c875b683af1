"""What runs as long as the server: the threads of downloads, and a thread that keeps queued jobs going."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import streamlit as st

import train_jobs
from pages.server.downloads import download_threads

_INTERVAL = 2.0  # seconds between two checks; one costs 0.3 ms


@asynccontextmanager
async def lifespan(app: st.App) -> AsyncIterator[None]:
    """The lifespan of the server."""
    with watched_scheduler():
        async with download_threads(app):
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


def _watch(end: threading.Event) -> None:
    train_jobs.watch_scheduler()
    while not end.wait(_INTERVAL):
        train_jobs.watch_scheduler()
