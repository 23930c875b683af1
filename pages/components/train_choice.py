"""What to train, before any setting: recipe or family, its length, its data. Kept in the address and the session."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import streamlit as st

import train_jobs
from genmodels import data, recipes, registry
from genmodels.data import DataConfig
from genmodels.errors import GenmodelsError
from genmodels.recipes import Recipe
from pages.components.i18n import t
from train_jobs.spec import find_recipe

FULL = "full"
_downloads = ThreadPoolExecutor(1, "download")  # one at a time: two visitors must not write the same files


@dataclass(frozen=True)
class Choice:
    """The answer: `preset` is None for the recipe in full; `fresh` says that it was just chosen."""

    recipe: Recipe
    preset: str | None
    data: str
    fresh: bool


def choose() -> Choice:
    """Draw the selects and return what is chosen."""
    _follow_address()
    first, second, third, fourth = st.columns([1.1, 1.5, 1, 1.5], vertical_alignment="bottom")
    start_from = first.radio(
        t("train.start_from"),
        ("recipe", "family"),
        format_func=lambda kind: t(f"train.from.{kind}"),
        key="train_start_from",
        help=t("train.start_from_help"),
        persist_state="session",
    )
    known = recipes.names() if start_from == "recipe" else registry.names()
    name = second.selectbox(
        t(f"train.{start_from}"),
        known,
        format_func=lambda value: recipes.get(value).title if start_from == "recipe" else registry.get(value).title,
        key=f"train_{start_from}",
        help=t(f"train.{start_from}_help"),
        persist_state="session",
    )
    recipe = find_recipe(name) if start_from == "recipe" else recipes.family(name)
    if st.query_params.get("recipe") != recipe.name:
        st.query_params["recipe"] = recipe.name
    st.session_state["train_asked"] = recipe.name

    presets = (*recipe.presets, FULL)
    if st.session_state.get("train_preset") not in presets:
        st.session_state["train_preset"] = presets[0]  # quick: what a student can wait for
    preset = third.selectbox(
        t("train.preset"),
        presets,
        format_func=lambda value: t(f"train.presets.{value}") if value in ("quick", FULL) else value,
        key="train_preset",
        help=t("train.preset_help"),
        persist_state="session",
    )
    chosen = (start_from, recipe.name, preset)
    fresh = st.session_state.get("train_base") != chosen
    st.session_state["train_base"] = chosen

    wanted = str(recipe.data.get("name"))
    if fresh:
        st.session_state["train_data"] = "digits" if wanted == "mnist" else wanted
    with fourth:
        data_name = st.selectbox(
            t("train.data"),
            data.names(),
            format_func=_data_label,
            key="train_data",
            help=t("train.data_help"),
            persist_state="session",
        )
    for name in dict.fromkeys((wanted, data_name)):
        _offer(name)
    return Choice(recipe, None if preset == FULL else preset, data_name, fresh)


def _follow_address() -> None:
    """`?recipe=NAME` names a recipe or a family; it counts where it changed since the last run of the page."""
    asked = st.query_params.get("recipe")
    if not asked or asked == st.session_state.get("train_asked"):
        return
    try:
        find_recipe(asked)
    except GenmodelsError as error:
        st.warning(str(error), icon=":material/link_off:")
        return
    kind = "recipe" if asked in recipes.names() else "family"
    st.session_state["train_start_from"] = kind
    st.session_state[f"train_{kind}"] = asked


def _data_label(name: str) -> str:
    config = DataConfig(name=name)
    title = data.get_spec(config).title
    return f"{title} {t('train.data_missing')}" if data.missing(config) else title


def _offer(name: str) -> None:
    """A button that fetches a data set which is not here and can be fetched."""
    config = DataConfig(name=name)
    problem = data.missing(config)
    spec = data.get_spec(config)
    if problem is None:
        return
    if not spec.download_mb:
        st.info(problem, icon=":material/folder_off:")
        return
    if st.button(
        t("train.get_data", title=spec.title, mb=spec.download_mb),
        key=f"train_get_{name}",
        icon=":material/download:",
        help=t("train.get_data_help", root=data.data_root()),
        disabled=train_jobs.public_mode(),
    ):
        with st.spinner(t("train.getting", title=spec.title)):
            try:
                _downloads.submit(train_jobs.get_data, name).result()
            except GenmodelsError as error:
                st.error(str(error), icon=":material/error:")
                return
        st.toast(t("train.got"), icon=":material/check:")
        st.rerun()
