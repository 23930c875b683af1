"""The Gradio interface: `python gradio_app.py --address 127.0.0.1 --port 7860` serves it alone.

`app.py` mounts it at /gradio/.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from gradio_tabs import models  # isort: skip -- first: it sets what Gradio reads when it is imported

import gradio as gr

from gradio_tabs.components.model_picker import fill_when_opened
from gradio_tabs.components.studio import Studio
from gradio_tabs.components.texts import t
from gradio_tabs.server.application import arguments

TABS = (
    "sample",
    "latent",
    "interpolation",
    "arithmetic",
    "conditional",
    "classify",
    "reconstruct",
    "manifold",
    "translate",
    "stylize",
    "complete",
    "speak",
)


def build() -> Studio:
    """The interface with all tabs and endpoints."""
    studio = Studio(title=t("common.title"), analytics_enabled=False, delete_cache=(600, 3600))
    with studio:
        gr.Markdown(t("common.intro"))
        models.build(studio)
        with gr.Tabs():
            for name in TABS:
                import_module(f"gradio_tabs.{name}").build(studio)
        fill_when_opened(studio)
    studio.queue(max_size=128, api_open=False, status_update_rate=1)
    return studio


demo = build()


def main(words: Sequence[str] | None = None) -> int:
    """Serve the interface until it is interrupted; 1 if the address and port cannot be used."""
    parser = argparse.ArgumentParser(description="Serve the Gradio interface of Genmodels Studio.")
    parser.add_argument("--address", default="127.0.0.1", help="address to listen on; 0.0.0.0 opens it to others")
    parser.add_argument("--port", type=int, default=7860, help="port to listen on")
    chosen = parser.parse_args(words)
    try:
        demo.launch(server_name=chosen.address, server_port=chosen.port, **arguments())
    except OSError as error:
        print(t("common.error.port", address=chosen.address, port=chosen.port, reason=error), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
