"""A canvas for one digit. Its value is what `drawing.from_canvas` reads: base64 of 140 x 140 grey bytes.

Gradio's Sketchpad sends image files, which would be decoded in the server's process.
"""

from __future__ import annotations

from pathlib import Path

import gradio as gr

from gradio_tabs.components.texts import t

_HERE = Path(__file__).parent


def drawing_pad() -> gr.HTML:
    """Add a canvas. It opens with an example, and its event `change` follows that and every stroke."""
    return gr.HTML(
        value="",
        html_template=(_HERE / "drawing_pad.html").read_text(encoding="utf-8"),
        css_template=(_HERE / "drawing_pad.css").read_text(encoding="utf-8"),
        js_on_load=(_HERE / "drawing_pad.js").read_text(encoding="utf-8"),
        hint=t("common.pad.hint"),
        clear=t("common.pad.clear"),
        alt=t("common.pad.alt"),
    )
