"""Colours, fonts and styles of the Gradio interface: those of the studio's pages, from this server only."""

from __future__ import annotations

import gradio as gr

_TEAL = gr.themes.Color(
    c50="#eef7f7", c100="#d6eced", c200="#aad6d8", c300="#75bcc0", c400="#3fa0a6", c500="#0b6e75",
    c600="#0b6e75", c700="#095a60", c800="#08474c", c900="#06363a", c950="#042528",
)  # fmt: skip
_MONO = ["ui-monospace", "monospace"]
_FONTS = ["ui-sans-serif", "system-ui", "sans-serif"]

CSS = """
@media (min-width: 1300px) { .gradio-container { max-width: 1280px !important; margin: 0 auto !important; } }
/* The label of an image above it: Gradio lays it over its upper left corner. */
label[data-testid="block-label"].float { position: static; display: inline-flex; border: 0; }
.icon-button-wrapper.top-panel { background: none; border: 0; }
.gradio-container input[role="listbox"] { padding-right: 28px; text-overflow: ellipsis; }
.upload img { max-height: 260px; object-fit: contain; }
.single img { max-height: 400px; object-fit: contain; }
.dark { --color-accent: #3fb8bd; --link-text-color: #6fd0d4; --link-text-color-hover: #9be3e6; }
@media (max-width: 640px) { .gradio-container > .main { padding: 12px 8px !important; } }
"""


def theme() -> gr.themes.Base:
    """The theme; its fonts are those of the visitor's system, because Gradio's would come from another host."""
    look = gr.themes.Default(primary_hue=_TEAL, secondary_hue=_TEAL, neutral_hue="stone", font=_FONTS, font_mono=_MONO)
    return look.set(
        body_background_fill="#fbfaf7",
        body_background_fill_dark="#12181b",
        background_fill_primary_dark="#12181b",
        background_fill_secondary_dark="#1c2529",
        border_color_primary_dark="#33424a",
        block_background_fill_dark="#1c2529",
        block_border_color_dark="#33424a",
        block_label_background_fill_dark="#1c2529",
        input_background_fill_dark="#12181b",
        input_border_color_dark="#33424a",
        button_secondary_background_fill_dark="#33424a",
        link_text_color_dark="#6fd0d4",
        block_info_text_color="#55636b",
        block_info_text_color_dark="#a9b8c2",
        block_label_text_color="#1d2a2e",
        block_title_text_color="#1d2a2e",
    )
