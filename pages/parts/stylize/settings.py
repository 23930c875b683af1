"""The settings of style transfer by optimisation: presets, weights, and the buttons to start and to update a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

import train_jobs
from genmodels import registry
from genmodels.config import live_fields
from genmodels.errors import GenmodelsError
from genmodels.recipes import get
from genmodels.service import stylize
from genmodels.service.large_images import ImageFile
from genmodels.service.stylize import PaintingSettings
from pages.components import address, config_form, view
from pages.components.i18n import t
from pages.components.theme import error_box, friendly_errors, plain
from pages.components.view import Field
from train_jobs import Job

_TOTALS = {
    "content_weight": (0.0, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0),
    "style_weight": (0.0, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0),
    "tv_weight": (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 3.0, 10.0),
}
_LAYER_WEIGHTS = (0.0, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
_CHOICES = ("start", "colour", "optimizer")
_MAX_LENGTH = 1_000  # of `?set=`; all settings have 400 characters


def show(content: ImageFile | None, style: ImageFile | None, running: Job | None) -> None:
    """Show presets, settings and buttons; a changed weight reruns only this part of the page."""
    st.fragment(_form)(content, style, running)


def _form(content: ImageFile | None, style: ImageFile | None, running: Job | None) -> None:
    memory = st.session_state
    view.read("stylize", _fields())
    _read_address()
    for name, value in _defaults().items():
        memory.setdefault(f"stylize_{name}", value)
    memory["stylize_preset"] = stylize.preset_of(_values())
    st.segmented_control(
        t("stylize.preset"),
        list(stylize.PRESETS),
        format_func=lambda name: t(f"stylize.presets.{name}"),
        key="stylize_preset",
        help=t("stylize.preset_help"),
        on_change=_take_preset,
    )
    left, right = st.columns(2)
    with left:
        _slider("size", stylize.SIZES)
    with right:
        _slider("iterations", stylize.ITERATIONS)
    with st.expander(t("stylize.weights"), icon=":material/tune:", key="stylize_weights"):
        for name, values in _TOTALS.items():
            _slider(name, values)
        _layers()
        for cell, name in zip(st.columns(len(_CHOICES)), _CHOICES, strict=True):
            with cell:
                _choice(name)
    view.write("stylize", _fields(), set=_changed())
    with st.container(horizontal=True):
        _start(content, style)
        if running is not None and running.phase == "training":
            _update(running)


def _fields() -> list[Field]:
    """Size and length of a painting, in the address."""
    usual = PaintingSettings()
    sizes, counts = stylize.SIZES, stylize.ITERATIONS
    return [
        Field("side", "stylize_size", address.option(sizes), address.one_of(sizes), usual.size),
        Field("iterations", "stylize_iterations", address.option(counts), address.one_of(counts), usual.iterations),
    ]


def _read_address() -> None:
    """Set weights and choices to what `?set=` requests: `NAME~VALUE~~NAME~VALUE`, the others as in the recipe."""
    requested = address.requested("stylize", "set", _parse, address.problem("set", t("stylize.set_allowed")))
    if requested is None and address.left_out("stylize", ["set"]):
        requested = {}
    if requested is not None:
        st.session_state.update({f"stylize_{name}": value for name, value in (_defaults() | requested).items()})


def _parse(text: str) -> dict[str, Any]:
    values = {}
    for part in text[:_MAX_LENGTH].split("~~"):
        name, _, value = part.partition("~")
        options = {_text(option): option for option in _options(name)}
        values[name] = options[address.member(options)(value)]
    return values


def _changed() -> str | None:
    """The weights and choices that differ from the recipe, for the address."""
    values, usual = _values(), _defaults()
    changed = [f"{name}~{_text(value)}" for name, value in values.items() if value != usual[name]]
    return "~~".join(changed) or None


def _defaults() -> dict[str, Any]:
    return {name: value for name, value in stylize.settings().items() if name in _names()}


def _options(name: str) -> Sequence[Any]:
    """The values of a weight or of a choice. Raises ValueError if there is no such setting."""
    if name in _CHOICES:
        return next(field for field in config_form.fields_of(_settings()) if field.name == name).choices
    if name not in _names():
        raise ValueError(name)
    return _TOTALS.get(name, _LAYER_WEIGHTS)


def _text(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:g}"


def _names() -> list[str]:
    layers = [f"{part}_{layer}" for part, names in stylize.LAYERS.items() for layer in names]
    return [*_TOTALS, *layers, *_CHOICES]


def _values() -> dict[str, Any]:
    return {name: st.session_state[f"stylize_{name}"] for name in _names()}


def _take_preset() -> None:
    chosen = st.session_state["stylize_preset"]
    values = stylize.preset(chosen if chosen in stylize.PRESETS else "balanced")
    for name in _names():
        st.session_state[f"stylize_{name}"] = values[name]


def _slider(name: str, values: Sequence[float], label: str | None = None, help: str | None = None) -> None:
    st.select_slider(
        label or t(f"stylize.set.{name}"),
        values,
        format_func=lambda value: f"{value:g}",
        key=f"stylize_{name}",
        help=help or t(f"stylize.set.{name}_help"),
        persist_state="session",
    )


def _layers() -> None:
    for cell, (part, layers) in zip(st.columns(2, gap="medium"), stylize.LAYERS.items(), strict=True):
        with cell:
            st.markdown(f"**{t(f'stylize.layers.{part}')}**")
            st.caption(t(f"stylize.layers.{part}_note"))
            for depth, layer in enumerate(layers):
                _slider(
                    f"{part}_{layer}", _LAYER_WEIGHTS, t("stylize.layers.label", layer=layer),
                    t(f"stylize.layers.depth_{depth}"),
                )  # fmt: skip


def _choice(name: str) -> None:
    field = next(field for field in config_form.fields_of(_settings()) if field.name == name)
    st.selectbox(
        t(f"stylize.set.{name}"),
        field.choices,
        format_func=lambda value: t(f"stylize.choice.{name}.{value}"),
        key=f"stylize_{name}",
        help=t(f"stylize.set.{name}_help"),
        persist_state="session",
    )


def _settings() -> type[Any]:
    return registry.config_class(get(stylize.RECIPE).family)


# ------------------------------------------------------------------------------ start and update


def _start(content: ImageFile | None, style: ImageFile | None) -> None:
    ready = content is not None and style is not None
    clicked = st.button(
        t("stylize.start"),
        key="stylize_begin",
        type="primary",
        icon=":material/brush:",
        disabled=not ready,
        help=t("stylize.start_help" if ready else "stylize.start_not_ready"),
    )
    if clicked and content is not None and style is not None:
        try:
            _submit(content, style)
        except GenmodelsError as error:
            error_box(str(error), t("common.error.title"))


def _submit(content: ImageFile, style: ImageFile) -> None:
    memory = st.session_state
    request = PaintingSettings.parse({"size": memory.stylize_size, "iterations": memory.stylize_iterations})
    job = train_jobs.submit_pair(
        content.raw,
        style.raw,
        recipe=stylize.RECIPE,
        assignments=stylize.assignments(request, _values()),
        name=stylize.run_name(content, style),
    )
    memory["stylize_run"] = job.id
    st.rerun()


def _update(job: Job) -> None:
    """Show a button that applies the current weights to the running job."""
    clicked = st.button(
        t("stylize.update"),
        key="stylize_update",
        icon=":material/tune:",
        help=t("stylize.update_help", name=plain(job.name)),
    )
    if not clicked:
        return
    with friendly_errors():
        live = live_fields(_settings())
        changed = train_jobs.update(job.id, {name: value for name, value in _values().items() if name in live})
        text = ", ".join(f"{name} = {new:g}" for name, (_, new) in changed.items())
        st.toast(t("stylize.updated", changes=text) if changed else t("stylize.nothing_changed"))
