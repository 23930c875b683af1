"""Checks by eye: the scores of a discriminator, and generated images next to their nearest training images."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from genmodels.errors import DataError
from genmodels.runs.catalog import CheckpointInfo
from genmodels.service.evaluate import inspection
from genmodels.service.evaluate.inspection import Nearest
from pages.components import missing_data
from pages.components.i18n import t
from pages.components.theme import friendly_errors
from pages.components.tiles import Tile, flow
from pages.parts.evaluate import charts


def show(info: CheckpointInfo, step: int) -> None:
    """Show the checks of a model that generates images."""
    if info.modality != "image":
        return
    if "sampling" not in info.capabilities and "latent" not in info.capabilities:
        return
    # One download offer for both sections: the first one without its data ends both.
    with friendly_errors(), _needs_data(info):
        if "scoring" in info.capabilities:
            st.header(t("evaluate.scores.title"), anchor=False)
            _scores(info, step)
        st.header(t("evaluate.nearest.title"), anchor=False)
        with st.spinner(t("evaluate.nearest.busy")):
            nearest = inspection.nearest_training(info.name, step)
        _nearest(nearest)


@contextmanager
def _needs_data(info: CheckpointInfo) -> Iterator[None]:
    """Offer to download missing data instead of an error."""
    try:
        yield
    except DataError as error:
        missing_data.explain(info, "evaluate", missing_data.missing_text(info, "evaluate.no_data"), str(error))


def _scores(info: CheckpointInfo, step: int) -> None:
    with st.spinner(t("evaluate.scores.busy")):
        histogram = inspection.calibration(info.name, step)
    if histogram is None:
        st.info(t("evaluate.scores.none"), icon=":material/info:")
        return
    kind = "probability" if histogram.probability else "score"
    left, right = st.columns([6, 4], gap="medium")
    with left:
        charts.calibration(histogram)
    with right:
        values = {"real": f"{histogram.mean_real:.3g}", "generated": f"{histogram.mean_generated:.3g}"}
        st.markdown(t(f"evaluate.scores.{kind}_text", **values))
        st.markdown(t("evaluate.scores.counted", count=inspection.SCORED))
        if histogram.class_conditional:
            st.markdown(t("evaluate.scores.by_class"))


def _nearest(nearest: Nearest) -> None:
    mean = sum(pair.distance for pair in nearest.pairs) / len(nearest.pairs)
    st.markdown(t("evaluate.nearest.text", count=f"{nearest.pool:,}"))
    tiles = []
    for number, pair in enumerate(nearest.pairs, start=1):
        distance = f"{pair.distance:.3f}"
        alt = t("evaluate.nearest.alt", number=number, distance=distance)
        tiles.append(Tile(pair.png, t("evaluate.nearest.distance", distance=distance), alt))
    flow(tiles, label=t("evaluate.nearest.title"), width=128, key="evaluate_nearest")
    st.caption(t("evaluate.nearest.caption", mean=f"{mean:.3f}", typical=f"{nearest.typical:.3f}"))
