"""Colours, fonts and styles of the Gradio interface: those of the studio's pages, from this server only."""

from __future__ import annotations

import gradio as gr

_TEAL = gr.themes.Color(
    c50="#eef7f7", c100="#d6eced", c200="#aad6d8", c300="#75bcc0", c400="#3fa0a6", c500="#0b6e75",
    c600="#0b6e75", c700="#095a60", c800="#08474c", c900="#06363a", c950="#042528",
)  # fmt: skip
_FONTS = ["ui-sans-serif", "system-ui", "sans-serif"]

CSS = """
.gradio-container img { image-rendering: auto; }
@media (max-width: 640px) { .gradio-container { padding-left: 8px !important; padding-right: 8px !important; } }
"""


def theme() -> gr.themes.Base:
    """The theme; its fonts are those of the visitor's system, because Gradio's would come from another host."""
    return gr.themes.Default(
        primary_hue=_TEAL,
        secondary_hue=_TEAL,
        neutral_hue="stone",
        font=_FONTS,
        font_mono=["ui-monospace", "monospace"],
    )
