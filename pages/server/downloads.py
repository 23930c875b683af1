"""The threads that make the files of downloads.

Streamlit makes them in the event loop's default executor, which has six threads on two processors. A GIF that waits in
the fair queue blocks one, so six GIFs would block all downloads. A waiting thread costs a few kilobytes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

import streamlit as st

from genmodels.service.fair_queue import MAX_PLACES

_loops: list[asyncio.AbstractEventLoop] = []


def server_loop() -> asyncio.AbstractEventLoop | None:
    """The event loop of the running server; None in a test without a server."""
    return _loops[-1] if _loops else None


@asynccontextmanager
async def download_threads(app: st.App) -> AsyncIterator[None]:
    """The lifespan of the server, with a download thread for each place in the fair queue."""
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(MAX_PLACES, "download"))
    _loops.append(loop)
    try:
        yield
    finally:
        del _loops[_loops.index(loop)]
