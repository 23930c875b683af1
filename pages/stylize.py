"""Stylize: a photograph in the style of a painting, by optimisation or in one pass of a feed-forward network."""

from __future__ import annotations

import streamlit as st

import train_jobs
from pages.components.page import page
from pages.parts.stylize import feed_forward, optimisation, source


def _page() -> None:
    # Only the optimisation needs a style image, and a public server starts no jobs.
    public = train_jobs.public_mode()
    left, right = st.columns(2, gap="large")
    with left:
        content = source.content()
    style = None
    with right:
        if public:
            optimisation.show(None, None)
        else:
            style = source.style()
    st.divider()
    if public:
        feed_forward.show(content)
        return
    slow, fast = st.columns(2, gap="large")
    with slow:
        optimisation.show(content, style)
    with fast:
        feed_forward.show(content)


with page("stylize"):
    _page()
