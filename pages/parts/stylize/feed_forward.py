"""The fast networks' answers to the same photograph, each in the style it learned, with a border to drag."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

import train_jobs
from genmodels.catalog import CheckpointInfo
from genmodels.service import stylize
from genmodels.service.stylize import Asking
from genmodels.service.translate.given import Upload, file_name
from pages.components import address, choice
from pages.components.before_after import Side, before_after
from pages.components.i18n import t
from pages.components.page import by_name, no_models
from pages.components.theme import friendly_errors, plain

_MOST = 4
"""Networks that answer at once: a photograph of 512 pixels takes each about a second."""


def show(content: Upload | None) -> None:
    """Which networks answer, how large, and their paintings."""
    st.subheader(t("stylize.fast.title"), anchor=False)
    st.markdown(t("stylize.fast.intro"))
    infos = by_name(stylize.networks())
    if infos:
        st.fragment(_answers)(content, infos)
    elif train_jobs.public_mode():
        st.info(t("stylize.fast.empty"), icon=":material/model_training:")
    else:
        no_models("stylize.fast.empty", recipe="fast_style")


def _answers(content: Upload | None, infos: dict[str, CheckpointInfo]) -> None:
    names = _pick(infos)
    st.session_state.setdefault("stylize_longest", Asking(model="any").longest)
    longest = st.select_slider(
        t("stylize.fast.longest"),
        stylize.FAST_SIZES,
        key="stylize_longest",
        help=t("stylize.fast.longest_help"),
        persist_state="session",
    )
    if content is None:
        st.info(t("stylize.fast.waiting"), icon=":material/add_photo_alternate:")
    elif not names:
        st.info(t("stylize.fast.none_chosen"), icon=":material/brush:")
    else:
        for name in names:
            with friendly_errors():
                _answer(infos[name], content, int(longest))


def _pick(infos: dict[str, CheckpointInfo]) -> list[str]:
    member = address.member(infos)
    address.bind(
        "stylize",
        "model",
        "stylize_networks",
        lambda name: [member(name)],
        lambda name: t("stylize.fast.unknown", name=name),
    )
    return choice.choose_several(
        t("stylize.fast.networks"),
        list(infos),
        lambda name: _title(infos[name]),
        max_selections=_MOST,
        key="stylize_networks",
        fallback=list(infos)[:_MOST],
        help=t("stylize.fast.networks_help", most=_MOST),
        persist_state="session",
    )


def _title(info: CheckpointInfo) -> str:
    style = info.given_name or stylize.style_of(info) or t("stylize.fast.no_style")
    return t(f"stylize.fast.option.{'published' if info.published else 'run'}", style=style, name=info.name)


def _answer(info: CheckpointInfo, content: Upload, longest: int) -> None:
    asked = Asking.parse({"model": info.name, "step": info.steps[-1], "longest": longest})
    place = st.empty()
    found = stylize.paint(asked, content, _bar(place, info.name))
    place.empty()
    style = stylize.style_of(info) or info.title
    before = t("stylize.content.alt", name=content.name)
    after = t("stylize.fast.after_alt", name=content.name, style=style)
    before_after(
        Side(found.before.image, found.before.kind, t("stylize.content.title"), before),
        Side(found.after.image, found.after.kind, style, after),
        (found.before.width, found.before.height),
        label=t("stylize.fast.slider", name=content.name),
        value_text=t("stylize.fast.slider_at"),
        key=f"stylize_compare_{info.name}",
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        st.download_button(
            t("stylize.png"),
            lambda: stylize.png(asked, content),
            file_name(content, info.name),
            "image/png",
            key=f"stylize_png_{info.name}",
            icon=":material/download:",
            on_click="ignore",
            help=t("stylize.fast.png_help"),
        )
        width, height = found.size
        key = "told" if found.size == found.given else "told_reduced"
        st.caption(
            t(
                f"stylize.fast.{key}",
                name=plain(info.name),
                width=f"{width:,}",
                height=f"{height:,}",
                across=f"{found.given[0]:,}",
                down=f"{found.given[1]:,}",
                seconds=f"{found.seconds:.1f}",
            )
        )


def _bar(place: st.delta_generator.DeltaGenerator, name: str) -> Callable[[int, int], None]:
    """Draws the share done, of what takes more than one step."""

    def report(done: int, total: int) -> None:
        if total > 2:
            place.progress(done / total, t("stylize.fast.tiles", name=plain(name), done=done, total=total))

    return report
