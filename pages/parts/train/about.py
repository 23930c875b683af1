"""What a recipe is about: its description, its source, and the result of its published model."""

from __future__ import annotations

import streamlit as st

from genmodels.errors import GenmodelsError
from genmodels.evaluation.metric_table import name_of
from genmodels.recipes import Recipe
from genmodels.runs.catalog import CheckpointInfo, list_checkpoints
from genmodels.runs.files import read_png
from genmodels.text import duration
from pages.components.i18n import t
from pages.components.theme import message
from pages.parts.train.training_choice import Choice

_WIDTH = 340


def show(choice: Choice) -> None:
    """Show the description and the expected result: figures, and samples of the published model if there is one."""
    recipe = choice.recipe
    lines = [t("train.source", source=recipe.source)]
    if recipe.expect:
        lines.append(t("train.expect", expected="; ".join(_expected(*item) for item in recipe.expect.items())))
    st.markdown(recipe.description.strip())
    if (published := _published(recipe)) is not None:
        _image(published, shortened=choice.preset is not None)
    st.caption("  \n".join(lines))


def _published(recipe: Recipe) -> CheckpointInfo | None:
    """The published model that this recipe has trained."""
    return next((info for info in list_checkpoints() if info.published and info.recipe == recipe.name), None)


def _image(info: CheckpointInfo, *, shortened: bool) -> None:
    if info.preview is None:
        return
    try:
        image = read_png(info.preview)
    except (GenmodelsError, OSError) as error:
        st.warning(message(str(error)), icon=":material/broken_image:")
        return
    time = duration(info.train_seconds) if info.train_seconds else t("train.result_time_unknown")
    caption = t("train.result", steps=f"{info.steps[-1]:,}", time=time)
    if shortened:
        caption += f" {t('train.result_shortened')}"
    st.image(image, width=_WIDTH, alt=t("train.result_alt", title=info.label))
    st.caption(caption)


def _expected(metric: str, bounds: tuple[float | None, float | None]) -> str:
    low, high = bounds
    kind = "range" if low is not None and high is not None else "low" if low is not None else "high"
    return t(f"train.expect_{kind}", metric=name_of(metric), low=low, high=high)
