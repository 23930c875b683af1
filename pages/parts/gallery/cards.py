"""One card of the gallery per model: an image, one line, the button of the page that suits it, details on demand."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from genmodels.errors import GenmodelsError
from genmodels.runs.catalog import CheckpointInfo
from genmodels.service.speak import can_speak
from pages.components.i18n import t
from pages.components.theme import message, plain
from pages.parts.gallery import models, speak_card
from pages.parts.gallery.thumbnails import thumbnail


def cards(infos: Sequence[CheckpointInfo], key: str) -> None:
    """Show the cards of these models in a grid; `key` names its container."""
    with st.container(key=key), st.container(key=f"gallery_grid_{key}"):
        for info in infos:
            _card(info)


def _card(info: CheckpointInfo) -> None:
    with st.container(border=True, key=f"gallery_card_{info.name}", gap="xsmall"):
        _image(info)
        with st.container(key=f"gallery_words_{info.name}", gap="xsmall"):
            st.subheader(plain(info.label), anchor=False)
            st.caption(_line(info))
            with st.container(horizontal=True, gap="xsmall", wrap=False, key=f"gallery_row_{info.name}"):
                _open_button(info)
                with st.popover("", icon=":material/info:", help=t("gallery.details_help"), type="tertiary"):
                    _details(info)


def _image(info: CheckpointInfo) -> None:
    try:
        image = thumbnail(info)
    except (GenmodelsError, OSError) as error:
        st.warning(message(str(error)), icon=":material/broken_image:")
        return
    if image is not None:
        st.image(image, width="stretch", alt=t("gallery.alt", title=info.label))


def _line(info: CheckpointInfo) -> str:
    """The first sentence of the description; of a run, what distinguishes it from others of its recipe."""
    if not info.published:
        return f"{plain(info.name)} · {plain(info.data)}"
    return info.description.split(". ")[0].rstrip(".") + "."


def _open_button(info: CheckpointInfo) -> None:
    target = models.target(info)
    clicked = st.button(
        t(f"gallery.{target.label}"),
        key=f"gallery_open_{info.name}",
        icon=f":material/{target.icon}:",
        help=t(f"gallery.{target.label}_help"),
        width="stretch",
        wrap=False,
    )
    if clicked:
        st.switch_page(target.page, query_params=target.query)


def _details(info: CheckpointInfo) -> None:
    st.markdown(info.description)
    st.markdown(f"**{t('gallery.try_this')}** {models.hint(info)}")
    st.markdown(models.metric(info))
    st.caption(f"{plain(info.name)} · {plain(info.data)}")
    if info.name != info.path.name:
        st.caption(t("gallery.same_name", name=plain(info.path.name), id=plain(info.name)))
    if can_speak(info):
        speak_card.hear(info)
