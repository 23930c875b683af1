"""Four entries for a first visit, each a card that leads to a page."""

from __future__ import annotations

import streamlit as st

from pages.components import assets
from pages.components.i18n import t
from pages.parts.gallery import latent_map

# Name, page, parameters of its address, icon of the page.
_ENTRIES: tuple[tuple[str, str, dict[str, str], str], ...] = (
    ("latent", "latent.py", {"model": "portraits_dcgan_64"}, "open_with"),
    ("photograph", "stylize.py", {}, "palette"),
    ("digit", "classify.py", {}, "draw"),
    ("training", "train.py", {"recipe": "mnist_vae_2d", "data": "digits"}, "model_training"),
)


def credits() -> None:
    """Show title, author and licence of the bundled images on a click."""
    files = (latent_map.FILE, *(f"entry_{name}.webp" for name, *_ in _ENTRIES))
    with st.popover(t("gallery.credits"), type="tertiary", help=t("gallery.credits_help"), key="gallery_credits"):
        for file in files:
            st.caption(assets.asset(file).credit())


def show() -> None:
    """Show the entries. The link of each covers its whole card."""
    with st.container(key="gallery_entries"):
        for name, page, query, icon in _ENTRIES:
            with st.container(border=True, key=f"gallery_entry_{name}", gap=None):
                st.image(assets.data_url(f"entry_{name}.webp"), width="stretch", alt=t(f"gallery.entry.{name}.alt"))
                st.page_link(
                    page,
                    label=t(f"gallery.entry.{name}.title"),
                    icon=f":material/{icon}:",
                    help=t(f"gallery.entry.{name}.help"),
                    query_params=query or None,
                )
                if name == "digit":
                    with st.container(key="gallery_second_entry"):
                        st.page_link("speak.py", label=t("gallery.entry.hear.title"), help=t("gallery.entry.hear.help"))
