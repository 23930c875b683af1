"""The progress of long work, as Gradio streams it to pages and clients."""

from __future__ import annotations

from collections.abc import Callable

import gradio as gr


def in_parts(progress: gr.Progress, text: str) -> Callable[[int, int], None]:
    """A callback for (done, total) parts."""

    def report(done: int, total: int) -> None:
        progress((done, total), desc=text)

    return report


def in_fractions(progress: gr.Progress, text: str) -> Callable[[float], None]:
    """A callback for a fraction, 0 to 1."""

    def report(fraction: float) -> None:
        progress(fraction, desc=text)

    return report
