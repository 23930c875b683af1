"""Feed-forward style networks: one photograph in the style of each, with a before/after border."""

from __future__ import annotations

import streamlit as st

import train_jobs
from genmodels.runs.catalog import CheckpointInfo
from genmodels.service import stylize
from genmodels.service.large_images import ImageFile, result_name
from genmodels.service.stylize import StylizeRequest
from pages.components import address, assets, choice, share, source_picker, view
from pages.components.before_after import Side, before_after
from pages.components.file_buttons import png_button
from pages.components.i18n import t
from pages.components.page import by_name, no_models
from pages.components.theme import explain, friendly_errors, plain
from pages.components.tile_progress import tile_progress

_TRAINING = 0
"""The size of each network's training images, as an option next to the sizes in pixels."""
_SIZE = view.Field(
    "size",
    "stylize_longest",
    address.option(stylize.FAST_SIZES),
    address.one_of(stylize.FAST_SIZES),
    _TRAINING,
)
_MAX_NETWORKS = 4
"""Networks that can be chosen together: each takes about a second for a photograph of 512 pixels."""


def show(content: ImageFile | None) -> None:
    """Show the pickers of networks and size, and the stylised photographs."""
    st.header(t("stylize.fast.title"), anchor=False)
    infos = by_name(stylize.checkpoints())
    if infos:
        with st.container():
            st.fragment(_results)(content, infos)
    elif train_jobs.public_mode():
        st.info(t("stylize.fast.empty"), icon=":material/model_training:")
    else:
        no_models("stylize.fast.empty", recipe="fast_style")
    explain(t("stylize.fast.intro"))


def _results(content: ImageFile | None, infos: dict[str, CheckpointInfo]) -> None:
    view.read("stylize", [_SIZE])
    names = _pick(infos)
    results = st.container(key="stylize_fast_results")
    chosen = st.select_slider(
        t("stylize.fast.longest"),
        (_TRAINING, *stylize.FAST_SIZES),
        format_func=lambda size: t("stylize.fast.longest_training") if size == _TRAINING else str(size),
        key="stylize_longest",
        help=t("stylize.fast.longest_help"),
        persist_state="session",
    )
    view.write("stylize", [_SIZE], model=",".join(names) or None)
    longest = None if chosen == _TRAINING else chosen
    with results:
        if content is None:
            st.info(t("stylize.fast.waiting"), icon=":material/add_photo_alternate:")
        elif not names:
            st.info(t("stylize.fast.none_chosen"), icon=":material/brush:")
        else:
            _offer_code(infos[names[0]], content, longest)
            for name in names:
                with friendly_errors():
                    _result(infos[name], content, longest)


def _pick(infos: dict[str, CheckpointInfo]) -> list[str]:
    if address.left_out("stylize", ["model"]):
        st.session_state.pop("stylize_networks", None)
    member = address.member(infos)
    address.bind(
        "stylize",
        "model",
        "stylize_networks",
        lambda names: [member(name) for name in names.split(",", _MAX_NETWORKS)],
        lambda name: t("stylize.fast.unknown", name=name),
        recheck=True,
    )
    return choice.choose_several(
        t("stylize.fast.networks"),
        list(infos),
        lambda name: _title(infos[name]),
        max_selections=_MAX_NETWORKS,
        key="stylize_networks",
        fallback=list(infos)[:_MAX_NETWORKS],
        help=t("stylize.fast.networks_help", most=_MAX_NETWORKS),
        persist_state="session",
    )


def _title(info: CheckpointInfo) -> str:
    style = info.given_name or stylize.style_of(info) or t("stylize.fast.no_style")
    return t(f"stylize.fast.option.{'published' if info.published else 'run'}", style=style, name=info.name)


def _offer_code(info: CheckpointInfo, content: ImageFile, longest: int | None) -> None:
    """Offer the code of the first network for a bundled photograph."""
    if source_picker.picked("stylize_content") != "example" or content.name not in assets.assets():
        return
    request = StylizeRequest.parse({"model": info.name, "step": info.steps[-1], "longest": longest})
    file = result_name(content, info.name)
    options = ["--longest", str(longest or 0), "--step", str(request.step)]
    words = ["stylize", info.name, share.asset_path(content.name), file, *options]
    share.offer_code(stylize.png, request, share.bundled(content.name), file=file, command=words)


def _result(info: CheckpointInfo, content: ImageFile, longest: int | None) -> None:
    request = StylizeRequest.parse({"model": info.name, "step": info.steps[-1], "longest": longest})
    place = st.empty()
    result = stylize.stylize(request, content, tile_progress(place, plain(info.name)))
    place.empty()
    style = stylize.style_of(info) or info.title
    before = t("stylize.content.alt", name=content.name)
    after = t("stylize.fast.after_alt", name=content.name, style=style)
    before_after(
        Side(result.before.image, result.before.kind, t("stylize.content.title"), before),
        Side(result.after.image, result.after.kind, style, after),
        (result.before.width, result.before.height),
        label=t("stylize.fast.slider", name=content.name),
        value_text=t("stylize.fast.slider_at"),
        key=f"stylize_compare_{info.name}",
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        png_button(
            "stylize.png",
            lambda: stylize.png(request, content),
            result_name(content, info.name),
            key=f"stylize_png_{info.name}",
            help_text="stylize.fast.png_help",
            values={"model": info.name, "step": str(request.step)},
        )
        width, height = result.size
        key = "result" if result.size == result.original_size else "result_reduced"
        st.caption(
            t(
                f"stylize.fast.{key}",
                name=plain(info.name),
                width=f"{width:,}",
                height=f"{height:,}",
                across=f"{result.original_size[0]:,}",
                down=f"{result.original_size[1]:,}",
                seconds=f"{result.seconds:.1f}",
            )
        )
