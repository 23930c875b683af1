"""Stylize: a photograph in the style of a painting, by optimisation or in one pass of a feed-forward network."""

from __future__ import annotations

import streamlit as st

from pages.components import address
from pages.components.page import page
from pages.parts.stylize import feed_forward, optimisation, source


def _page() -> None:
    left, right = st.columns([4, 6], gap="large")
    with left:
        content = source.content()
    address.write("stylize", "image", source.address_input("photograph").text())
    with right:
        feed_forward.show(content)
    st.divider()
    optimisation.show(content)


with page("stylize"):
    _page()
