"""The Gradio interface at /gradio/, imported when it is first requested: `/` must not wait for it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import streamlit as st
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from pages.components.i18n import t
from pages.server.hosts import bound_address

_log = logging.getLogger(__name__)


class _Interface:
    """The interface of one server: its application, and the task in which its lifespan is entered."""

    def __init__(self) -> None:
        self._starting: asyncio.Task[ASGIApp] | None = None
        self._living: asyncio.Task[None] | None = None
        self._end = asyncio.Event()

    async def application(self, path: str, own_url: str) -> ASGIApp:
        """The application, built by the first request; a failed start is tried again by the next one."""
        if self._starting is None or (self._starting.done() and self._starting.exception() is not None):
            self._starting = asyncio.create_task(self._start(path, own_url))
        return await asyncio.shield(self._starting)

    async def _start(self, path: str, own_url: str) -> ASGIApp:
        application = await asyncio.to_thread(_build, path, own_url)
        ready = asyncio.get_running_loop().create_future()
        # One task enters and leaves the lifespan: its task groups allow no other.
        self._living = asyncio.create_task(self._live(application, ready))
        await ready
        return application

    async def _live(self, application: ASGIApp, ready: asyncio.Future[None]) -> None:
        try:
            async with application.router.lifespan_context(application):  # type: ignore[attr-defined]
                ready.set_result(None)
                await self._end.wait()
        except Exception as error:
            if ready.done():
                raise
            ready.set_exception(error)

    async def close(self) -> None:
        """Leave the lifespan."""
        self._end.set()
        if self._living is not None:
            await self._living


_interfaces: dict[_Interface, None] = {}


@asynccontextmanager
async def gradio_interface() -> AsyncIterator[None]:
    """The lifespan of the server, in which the interface can be requested."""
    interface = _Interface()
    _interfaces[interface] = None
    try:
        yield
    finally:
        _interfaces.pop(interface)
        await interface.close()


class GradioMount:
    """Middleware that serves /gradio/ below the server's base path, and redirects /gradio there."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        base = str(st.get_option("server.baseUrlPath") or "").strip("/")
        self._path = f"/{base}/gradio" if base else "/gradio"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _interfaces or not f"{scope['path']}/".startswith(f"{self._path}/"):
            await self._app(scope, receive, send)
            return
        if scope["path"] == self._path:
            query = f"?{scope['query_string'].decode('latin-1')}" if scope["query_string"] else ""
            # Relative to the address that the browser knows, which a proxy may have changed.
            await RedirectResponse(f"gradio/{query}")(scope, receive, send)
            return
        try:
            application = await next(reversed(_interfaces)).application(self._path, self._own_url(scope))
        except Exception:  # noqa: BLE001 - logged; the pages go on, and the next request tries again
            _log.exception("the Gradio interface could not be started")
            await PlainTextResponse(t("common.error.gradio") + "\n", 503)(scope, receive, send)
            return
        await application(scope, receive, send)

    def _own_url(self, scope: Scope) -> str:
        """The interface's address for this machine, under a name that HostCheck allows."""
        scheme = "https" if st.get_option("server.sslCertFile") else "http"
        (host,) = bound_address() or ("127.0.0.1",)
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{scope['server'][1]}{self._path}/"


def _build(path: str, own_url: str) -> ASGIApp:
    """The application below `path`, which this machine reaches at `own_url`; importing Gradio takes three seconds."""
    import gradio_app
    from gradio_tabs.server.application import mounted

    return mounted(gradio_app.demo, path, own_url)
