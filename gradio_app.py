"""The Gradio interface: `python gradio_app.py --address 127.0.0.1 --port 7860` serves it alone.

`app.py` mounts it at /gradio/.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

import gradio_tabs  # noqa: F401 -- first: it sets what Gradio reads when it is imported
from gradio_tabs.components.files import MAX_UPLOAD_BYTES
from gradio_tabs.components.studio import Studio
from gradio_tabs.components.texts import t

TABS = ("sample",)


def build() -> Studio:
    """The interface with all tabs and endpoints."""
    studio = Studio(title=t("common.title"), analytics_enabled=False, delete_cache=(600, 3600))
    with studio:
        for name in TABS:
            import_module(f"gradio_tabs.{name}").build(studio)
    studio.queue(max_size=128, api_open=False)
    return studio


demo = build()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Serve the Gradio interface of Genmodels Studio.")
    parser.add_argument("--address", default="127.0.0.1", help="address to listen on; 0.0.0.0 opens it to others")
    parser.add_argument("--port", type=int, default=7860, help="port to listen on")
    chosen = parser.parse_args(arguments)
    demo.launch(
        server_name=chosen.address,
        server_port=chosen.port,
        max_file_size=MAX_UPLOAD_BYTES,
        run_history=False,
        footer_links=["api"],
        mcp_server=True,
        ssr_mode=False,
        show_error=False,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
