"""The Gradio interface as an ASGI application below a path, and the arguments that it shares with `demo.launch()`."""

from __future__ import annotations

from typing import Any

import gradio as gr
from fastapi import FastAPI
from starlette.middleware import Middleware

from genmodels.system.paths import PROJECT
from gradio_tabs.components.files import MAX_UPLOAD_BYTES
from gradio_tabs.components.look import CSS, theme
from gradio_tabs.server.limits import RequestLimits


def arguments() -> dict[str, Any]:
    """The arguments of `launch` and of `mount_gradio_app`."""
    return {
        "max_file_size": MAX_UPLOAD_BYTES,
        "run_history": False,
        "footer_links": ["api", "settings"],
        "mcp_server": True,
        "ssr_mode": False,
        "show_error": False,
        "enable_monitoring": False,
        "pwa": False,
        "allowed_paths": [],
        "blocked_paths": [str(PROJECT)],
        "theme": theme(),
        "css": CSS,
        "app_kwargs": {"middleware": [Middleware(RequestLimits)], "docs_url": None, "redoc_url": None},
    }


def mounted(demo: gr.Blocks, path: str, own_url: str) -> FastAPI:
    """An application that serves `demo` below `path`; its lifespan must be entered before the first request.

    A tool call is passed on to `own_url`, the address at which this machine reaches the interface: without it Gradio
    would use the public one, which leads through other hosts.
    """
    outer = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    demo.has_launched = True  # Gradio checks the folder of files only then
    application: FastAPI = gr.mount_gradio_app(outer, demo, path=path, **arguments())
    if demo.mcp_server_obj is None:
        raise RuntimeError("the package mcp is not installed: python -m pip install -r requirements.txt")
    demo.mcp_server_obj._local_url = own_url  # as launch() does
    return application
