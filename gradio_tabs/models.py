"""The endpoint that lists the models; it has no tab, because every tab lists its own."""

from __future__ import annotations

from typing import Any

import gradio as gr

from genmodels.service import endpoints
from gradio_tabs.components.endpoints import expose


def models() -> list[dict[str, Any]]:
    """List the models: name, title, capabilities and saved training steps of each.

    Returns:
        a JSON list; the capabilities latent, sampling, encoding, codes, classification, translation, stylizing and
        completion say which endpoints take a model
    """
    return endpoints.models.list_models()


def build(demo: gr.Blocks) -> None:
    """Add the endpoint."""
    expose(models)
