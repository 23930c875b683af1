"""What to train: recipe or model family, length and data set; stored in the address and in the session."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

import train_jobs
from genmodels import data, recipes, registry
from genmodels.data import DataConfig, uploaded_sets
from genmodels.errors import GenmodelsError
from genmodels.recipes import Recipe, fitting
from pages.components import address, choice, missing_data, view
from pages.components.i18n import t
from pages.parts.train import recordings
from train_jobs.spec import find_recipe

FULL = "full"
_FIT = view.switch("fit", "train_fitting")
_DEFAULT = "mnist_vae_20"
"""The recipe shown first: it needs no download and trains in a minute."""


@dataclass(frozen=True)
class Choice:
    """The chosen training: `preset` is None for the full recipe; `fresh` if it was chosen in this run of the page."""

    recipe: Recipe
    preset: str | None
    data: DataConfig
    fresh: bool


def choose() -> Choice:
    """Show the pickers and return the choice."""
    _follow_address()
    first, second, third = st.columns([1.6, 1.4, 1], vertical_alignment="bottom")
    start_from = st.session_state.setdefault("train_start_from", "recipe")
    view.read("train", [_FIT])
    own_sets, own_sound = uploaded_sets.names(), _own_sound()
    requested = _requested_data((*own_sound, *own_sets))
    name = choice.choose(
        t(f"train.{start_from}"),
        _offered_recipes(requested) if start_from == "recipe" else registry.names(),
        lambda value: recipes.get(value).title if start_from == "recipe" else registry.get(value).title,
        key="train_recipe" if start_from == "recipe" else "train_family",
        fallback=_DEFAULT,
        place=first,
        help=t(f"train.{start_from}_help"),
        persist_state="session",
    )
    recipe = find_recipe(name) if start_from == "recipe" else recipes.family(name)
    address.write("train", "recipe", recipe.name)

    presets = (*recipe.presets, FULL)
    usual = "quick" if "quick" in presets else presets[0]  # what a student can wait for
    shown = view.choice_of("preset", "train_preset", presets, usual)
    view.read("train", [shown])
    preset = choice.choose(
        t("train.preset"),
        presets,
        lambda value: t(f"train.presets.{value}") if value in ("quick", FULL) else value,
        key="train_preset",
        fallback=usual,
        place=third,
        help=t("train.preset_help"),
        persist_state="session",
    )
    view.write("train", [shown])
    chosen = (start_from, recipe.name, preset)
    fresh = st.session_state.get("train_base") != chosen
    st.session_state["train_base"] = chosen

    batch_keys = registry.config_class(recipe.family).batch_keys
    wanted = str(recipe.data.get("name"))
    # The quick preset of a recipe for own recordings names a data set that replaces them.
    recipe_data = recipes.merge(recipe, None if preset == FULL else preset)["data"]
    offered = str(recipe_data.get("name")) if wanted in data.own_sound_names() else wanted
    kept = (*own_sets, *(own_sound if "audio" in batch_keys else ()))
    if _is_filtered():
        kept = (*kept, *data.names())
    if requested:
        st.session_state["train_data"], fresh = requested, True
    elif st.session_state.get("train_data") not in kept and (fresh or not _still_exists()):
        # A user's own set stays chosen when the recipe changes.
        suits = offered in (*data.names(), *own_sound) and offered != "mnist"
        st.session_state["train_data"] = offered if suits else data.first_with(batch_keys)
    data_name = choice.choose(
        t("train.data"),
        (*data.names(), *own_sound, *own_sets),
        _data_label,
        key="train_data",
        place=second,
        help=t("train.data_help"),
        persist_state="session",
    )
    if "data" in st.query_params or _is_filtered():
        address.write("train", "data", data_name)
    _fit_switch(first)
    if data_name in own_sound:
        config = recordings.settings(data_name, recipe_data, fresh)
        return Choice(recipe, None if preset == FULL else preset, config, fresh)
    for name in (data_name,) if data_name in own_sets else dict.fromkeys((wanted, data_name)):
        if name in data.own_sound_names():
            st.info(t(f"train.own_recordings{'' if own_sound else '_public'}"), icon=":material/mic:")
        elif name in data.own_names():
            st.info(t("train.own_pictures"), icon=":material/add_photo_alternate:")
            st.page_link("data.py", label=t("train.own_pictures_link"), icon=":material/arrow_forward:")
        else:
            missing_data.offer_download(name, "train")
    return Choice(recipe, None if preset == FULL else preset, _config(data_name), fresh)


def _is_filtered() -> bool:
    return bool(st.session_state.get(_FIT.key)) and st.session_state["train_start_from"] == "recipe"


def _fit_switch(place: DeltaGenerator) -> None:
    """Show the switch that leaves only the recipes that fit the chosen data."""
    if st.session_state["train_start_from"] == "recipe":
        place.toggle(t("train.fit"), key="train_fitting", help=t("train.fit_help"), persist_state="session", wrap=True)
    view.write("train", [_FIT])


def _offered_recipes(requested: str | None) -> list[str]:
    """Every recipe, or those that fit the data and the chosen one, if they are filtered and any does."""
    data_name = requested or st.session_state.get("train_data")
    if not _is_filtered() or data_name is None:
        return _recipes_by_family()
    try:
        fit = fitting.fitting(data.get_spec(_config(data_name)))
    except GenmodelsError:  # deleted, or a folder that is not named yet
        return _recipes_by_family()
    chosen = choice.current("train_recipe", recipes.names())
    return [name for name in _recipes_by_family() if name in fit or name == chosen] if fit else _recipes_by_family()


def _recipes_by_family() -> list[str]:
    families = registry.names()
    return sorted(recipes.names(), key=lambda name: (families.index(recipes.get(name).family), name))


def start_from_picker() -> None:
    """Show the choice between recipes and model families, whose picker is above."""
    st.radio(
        t("train.start_from"),
        ("recipe", "family"),
        format_func=lambda kind: t(f"train.from.{kind}"),
        key="train_start_from",
        horizontal=True,
        help=t("train.start_from_help"),
        persist_state="session",
    )


def _still_exists() -> bool:
    """Whether the chosen set exists; a user's own one may have been deleted in the meantime."""
    return st.session_state.get("train_data") in (*data.names(), *_own_sound())


def _own_sound() -> tuple[str, ...]:
    """Sound sets that are a folder on this machine; none on a public server, whose folders are not for visitors."""
    return () if train_jobs.public_mode() else data.own_sound_names()


def _requested_data(own_sets: tuple[str, ...]) -> str | None:
    """The data set that `?data=NAME` requests, if it has changed since the last run of the page."""
    names = (*data.names(), *own_sets)
    return address.requested("train", "data", address.member(names), lambda name: t("train.unknown_data", name=name))


def _config(name: str) -> DataConfig:
    return DataConfig(name=name) if name in data.names() else uploaded_sets.config_of(name)


def _follow_address() -> None:
    """Choose the recipe or family that `?recipe=NAME` requests, if it has changed since the last run of the page."""
    name = address.requested("train", "recipe", _recipe, _unknown_recipe)
    if name is None:
        return
    kind = "recipe" if name in recipes.names() else "family"
    st.session_state["train_start_from"] = kind
    st.session_state[f"train_{kind}"] = name


def _recipe(name: str) -> str:
    try:
        find_recipe(name)
    except GenmodelsError as error:
        raise ValueError(name) from error
    return name


def _unknown_recipe(name: str) -> str:
    names = (*recipes.names(), *registry.names())
    near = difflib.get_close_matches(st.query_params["recipe"][:80], names)
    nearest = t("train.nearest_recipes", names=", ".join(f"`{one}`" for one in near)) if near else ""
    return f"{t('train.unknown_recipe', name=name)} {nearest}".strip()


def _data_label(name: str) -> str:
    if name in data.own_sound_names():
        return t(f"train.data_folder.{name}")
    try:
        config = _config(name)
        title = data.get_spec(config).title
    except GenmodelsError:
        return t("train.data_damaged", name=name)  # once chosen, the page shows the reason
    if name not in data.names():
        return t("train.data_own", title=title)
    return f"{title} {t('train.data_missing')}" if data.missing(config) else title
