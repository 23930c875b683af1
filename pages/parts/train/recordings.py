"""The settings of a training on own recordings: a folder on this machine, and how it is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from genmodels import data
from genmodels.data import DataConfig
from genmodels.errors import GenmodelsError
from pages.components import config_form
from pages.components.i18n import t


def settings(name: str, recipe_data: Mapping[str, Any], fresh: bool) -> DataConfig:
    """Show the fields `train_data_FIELD` of the data set `name` and a summary of the folder; return the settings.

    The folder stays when the recipe changes. Raises ConfigError if a setting is invalid.
    """
    values = {**DataConfig().model_dump(), **(recipe_data if recipe_data.get("name") == name else {})}
    every = config_form.fields_of(DataConfig, hidden=())
    fields = {field.name: field for field in every if field.name in data.fields(name)}
    path = config_form.widget(
        fields.pop("path"), config_form.key_of("data", "path"), values["path"], t("train.folder_help")
    )
    entered = config_form.show_fields("data", fields.values(), values, reset=fresh)
    config = DataConfig.parse({"name": name, "path": path, **entered}, "data.")
    if path is None:
        st.info(t("train.folder_empty"), icon=":material/folder_open:")
    elif data.missing(config) is None:
        _summary(config)
    return config


def _summary(config: DataConfig) -> None:
    try:
        with st.spinner(t("train.folder_reading")):  # decodes each file the first time
            spec = data.get_spec(config)
    except GenmodelsError:  # shown where the settings are validated
        return
    classes = t("train.folder_classes", count=spec.num_classes) if spec.classes else t("train.folder_no_classes")
    recordings = t("train.folder_found", train=f"{spec.train_size:,}", test=f"{spec.test_size:,}")
    st.caption(f"{recordings} {classes}")
