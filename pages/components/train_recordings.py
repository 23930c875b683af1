"""Which recordings of one's own a training learns from: a folder on this machine, and how it is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from genmodels import data
from genmodels.data import DataConfig
from genmodels.errors import GenmodelsError
from pages.components import config_form
from pages.components.i18n import t


def ask(name: str, recipe_data: Mapping[str, Any], fresh: bool) -> DataConfig:
    """Fields of the set `name`, keyed `train_data_FIELD`; what is found in the folder stands below them.

    A folder typed in stays from recipe to recipe. Raises ConfigError.
    """
    given = {**DataConfig().model_dump(), **(recipe_data if recipe_data.get("name") == name else {})}
    every = config_form.fields_of(DataConfig, hidden=())
    fields = {field.name: field for field in every if field.name in data.fields(name)}
    path = config_form.widget(
        fields.pop("path"), config_form.key_of("data", "path"), given["path"], t("train.folder_help")
    )
    entered = config_form.draw("data", fields.values(), given, reset=fresh)
    config = DataConfig.parse({"name": name, "path": path, **entered}, "data.")
    if path is None:
        st.info(t("train.folder_empty"), icon=":material/folder_open:")
    elif data.missing(config) is None:
        _say_what_is_there(config)
    return config


def _say_what_is_there(config: DataConfig) -> None:
    try:
        with st.spinner(t("train.folder_reading")):  # the first time each file is decoded
            spec = data.get_spec(config)
    except GenmodelsError:  # said where the settings are checked
        return
    classes = t("train.folder_classes", count=spec.num_classes) if spec.classes else t("train.folder_no_classes")
    found = t("train.folder_found", train=f"{spec.train_size:,}", test=f"{spec.test_size:,}")
    st.caption(f"{found} {classes}")
