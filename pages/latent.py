"""Latent explorer: move through the latent space of any model that has one, and see the image follow."""

from __future__ import annotations

import streamlit as st

from genmodels import service
from genmodels.runs import catalog
from genmodels.runs.catalog import CheckpointInfo
from genmodels.seeding import MAX_PAGE_SEED, MIN_PAGE_SEED
from genmodels.service import Point
from pages.components import judge_note, share
from pages.components.choice import choose
from pages.components.class_picker import class_picker
from pages.components.file_buttons import gif_button, png_button
from pages.components.i18n import t
from pages.components.model_choice import is_learning, pick_model, pick_step
from pages.components.page import model_page
from pages.components.theme import friendly_errors
from pages.parts.latent import directions, image_pad, link, state
from pages.parts.latent.image_view import image_view

_POLL_SECONDS = 3
_PREFERRED = "mnist_vae_20"  # every slider has a visible effect, and step 0 is saved


def _show_image(info: CheckpointInfo, point: Point, step: int) -> None:
    image = service.render(point)
    caption = ""
    if image.prediction:
        caption = judge_note.reading("latent.reading", image.prediction)
    alt = t("latent.picture_alt", title=info.title, step=f"{step:,}")
    image_view(image.png, alt=f"{alt} {caption}".strip(), caption=caption, key="latent_picture")
    judge_note.untrained(step, image.prediction)


def _pad_controls(names: list[str]) -> None:
    st.segmented_control(
        t("latent.pad_mode"),
        ("directions", "seeds"),
        format_func=lambda mode: t(f"latent.pad_{mode}"),
        required=True,
        key="latent_pad_mode",
        on_change=state.touched,
        help=t("latent.pad_mode_help"),
        width="stretch",
        persist_state="session",
    )
    if st.session_state.latent_pad_mode == "directions" and len(names) > 1:
        columns = st.columns(2)
        for column, key in zip(columns, ("latent_pad_x", "latent_pad_y"), strict=True):
            choose(
                t(f"latent.{key.removeprefix('latent_')}"),
                range(len(names)),
                names.__getitem__,
                key=key,
                place=column,
                on_change=state.touched,
                help=t("latent.pad_axis_help"),
                persist_state="session",
            )


def _sliders(names: list[str]) -> None:
    if st.session_state.latent_axes == "seeds":
        st.caption(t("latent.axes_seeds"))
    else:
        st.segmented_control(
            t("latent.axes"),
            ("first", "principal"),
            format_func=lambda axes: t(f"latent.axes_{axes}"),
            required=True,
            key="latent_axes",
            on_change=state.axes_changed,
            help=t("latent.axes_help"),
            persist_state="session",
        )
    columns = st.columns(2)
    half = -(-len(names) // 2)
    for index, name in enumerate(names):
        columns[index // half].slider(
            name,
            -state.LIMIT,
            state.LIMIT,
            step=0.01,
            key=f"latent_axis_{index}",
            on_change=state.touched,
            help=t(f"latent.axis_help_{st.session_state.latent_axes}", number=index + 1),
            persist_state="session",
        )


def _base_controls(info: CheckpointInfo) -> None:
    if info.condition_names:
        class_picker(
            info.condition_names,
            key="latent_label",
            label=t("latent.label"),
            help_text=t("latent.label_help"),
            on_change=state.touched,
        )
    columns = st.columns(2)
    columns[0].number_input(
        t("latent.seed"),
        MIN_PAGE_SEED,
        MAX_PAGE_SEED,
        step=1,
        key="latent_seed",
        on_change=state.seed_changed,
        help=t("latent.seed_help"),
        persist_state="session",
    )
    columns[1].slider(
        t("latent.truncation"),
        0.0,
        service.MAX_TRUNCATION,
        step=0.05,
        key="latent_truncation",
        help=t("latent.truncation_help"),
        persist_state="session",
    )


def _actions(current: dict[str, Point], pins: list[tuple[Point, bytes]]) -> None:
    name = current["point"].model
    row = st.container(horizontal=True, horizontal_alignment="center", gap="small", key="latent_actions")
    row.button(
        t("common.new_seed"),
        key="latent_randomize",
        icon=":material/casino:",
        on_click=state.randomize,
        help=t("latent.new_seed_help"),
    )
    row.button(
        t("latent.reset"),
        key="latent_reset",
        icon=":material/restart_alt:",
        on_click=state.reset,
        help=t("latent.reset_help"),
    )
    row.button(
        t("latent.pin"),
        key="latent_pin",
        icon=":material/push_pin:",
        on_click=lambda: pins.append((current["point"], service.render_enlarged(current["point"], state.PIN_PIXELS))),
        disabled=len(pins) >= service.MAX_PINS,
        help=t("latent.pin_help", count=service.MAX_PINS),
    )
    png_button(
        "latent.png", lambda: service.render_enlarged(current["point"]), f"{name}.png", key="latent_png", place=row
    )
    gif_button(
        "latent.gif",
        lambda: service.walk_gif([p for p, _ in pins] if len(pins) > 1 else service.walk_of_seeds(current["point"])),
        f"{name}.gif",
        key="latent_gif",
        place=row,
    )


def _show_pins(pins: list[tuple[Point, bytes]]) -> None:
    st.header(t("latent.pins"), anchor=False)
    if not pins:
        st.caption(t("latent.no_pins"))
        return
    row = st.container(horizontal=True, key="latent_pins_row")
    for index, (pinned, png) in enumerate(pins):
        with row.container(width=state.PIN_PIXELS + 32, border=True, gap="xsmall", key=f"latent_pin_card_{index}"):
            st.image(png, width=state.PIN_PIXELS, alt=t("latent.pin_alt", number=index + 1))
            buttons = st.container(horizontal=True, gap="xsmall")
            buttons.button(
                "",
                key=f"latent_pin_go_{index}",
                icon=":material/undo:",
                on_click=state.go_to,
                args=(pinned,),
                help=t("latent.pin_go", number=index + 1),
                type="tertiary",
            )
            buttons.button(
                "",
                key=f"latent_pin_remove_{index}",
                icon=":material/close:",
                on_click=state.unpin,
                args=(pinned.model, index),
                help=t("latent.pin_remove", number=index + 1),
                type="tertiary",
            )


@st.fragment
def _stage(info: CheckpointInfo, step: int, names: list[str], current: dict[str, Point]) -> None:
    """Show image and pad: everything that is updated while the pad is dragged."""
    with friendly_errors():
        current["point"] = state.point(info.name, step, len(names), len(info.condition_names))
        point = link.trimmed(current["point"])
        share.offer_code(service.render_enlarged, point, file=f"{info.name}.png")
        left, right = st.columns(2, gap="medium")
        with left:
            _show_image(info, current["point"], step)
        with right:
            image_pad.show(info, current["point"], names)
    if state.drag_has_ended():
        st.rerun()


def _explorer(chosen: CheckpointInfo) -> None:
    with friendly_errors():
        info = catalog.describe(chosen.path, published=chosen.published)
        state.prepare()
        state.settle()
        link.read(info)
        state.choose_axes(info)
        step = pick_step("latent", info)
        if info.latent_dim == 0:
            link.read_offsets(info, 0)
            link.write(info, step, 0)
            st.info(t("latent.nothing_to_move"), icon=":material/info:")
            _show_image(info, Point.parse({"model": info.name, "step": step}), step)
            return
        count = service.axes_count(info.name, step, st.session_state.latent_axes)
        names = [t(f"latent.axis_{st.session_state.latent_axes}", number=index + 1) for index in range(count)]
        link.read_offsets(info, count)
        for key in ("latent_pad_x", "latent_pad_y"):
            st.session_state[key] = min(st.session_state[key], count - 1)
        link.write(info, step, count)
        pins = state.pins(info.name)
        # Set by the stage: pin and downloads use the image that is shown, also after a drag.
        current: dict[str, Point] = {}

        main, side = st.columns([6, 4], gap="medium")
        with main:
            _stage(info, step, names, current)
            left, right = st.columns(2, gap="medium")
            with left:
                _actions(current, pins)
            with right:
                _pad_controls(names)
        with side:
            _base_controls(info)
            _sliders(names)
            if st.session_state.latent_axes != "seeds":
                directions.show(info.name, count)
        _show_pins(pins)


def _page(infos: dict[str, CheckpointInfo]) -> None:
    info = pick_model("latent", infos, _PREFERRED)
    st.fragment(_explorer, run_every=_POLL_SECONDS if is_learning(info) else None)(info)


model_page("latent", service.latent_checkpoints, _page)
